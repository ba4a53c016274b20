// The workflows of these tests, by name.
#pragma once

#include "evermill/registry.hpp"

namespace evermill::actors {

/// echo              ends with its input
/// sleeper           sleeps for a minute, ends with its input
/// naps              n timers of a second, one after the other; ends with n
/// many_naps         n timers that are due at once, all open together; ends with n
/// reads_two         waits for two signals "number", ends with their digits
/// asks              calls the activity "ask" with its input, ends with the result
/// asks_once         the same, with one attempt at most
/// asks_patiently    the same, with three attempts ten seconds apart
/// asks_as_told      the same, with `ask_options`
/// asks_until_told   the same; the signal "number" cancels the call; ends with its result, -1: canceled, -2: failed
/// abandons_then_reads calls the same, cancels the call at a signal "number", and ends with the next one
/// asks_then_reads   calls "ask", then waits for a signal "number", ends with it
/// steps             a step that gives its input, then a signal "number"; ends with their sum
/// everything_at_once an activity, a step, a child elsewhere, a timer and a log line in one turn
/// parent            starts `ask` as the child "w/child", ends with its result
/// parent_elsewhere  starts a child in the other partition, ends with its result
/// grandparent       starts a child of a given id, cancels it at once, waits for a signal "number"
/// rounds            continues as new n times, reading a signal "number" each time; ends with the sum
/// whole_story       [left, sum]: all of it, over several runs
const registry& test_workflows();

/// For asks_as_told and asks_until_told; the same in every replay.
extern activity_options ask_options;

/// reads_two, asks and rounds, which ask for other things here: journals of the others make them stuck.
const registry& changed_workflows();

/// Nothing at all.
const registry& no_workflows();

}  // namespace evermill::actors
