/// @file
/// Everything that authors of workflows and programs that embed the engine need.
#pragma once

/// @mainpage
/// | for | read |
/// |---|---|
/// | workflows | evermill::context, evermill::future, evermill::task; evermill::race, evermill::all; evermill::saga |
/// | names with types, limits, retries | evermill::activity_options, evermill::retry_policy, evermill::child_options |
/// | activities | evermill::registry, evermill::activity_context |
/// | a program that runs them | evermill::engine, evermill::engine_options, evermill::start_options |
/// | errors | evermill::error and its children in workflows, evermill::engine_error outside |
/// | tests | evermill::testing::environment |
///
/// `docs/workflows.md` is the guide to it.

/// @namespace evermill
/// Durable workflows: what their authors write with (`context`, `future`, `task`), what runs them (`engine`), and what looks at
/// their journals.

#include "evermill/activity_context.hpp"
#include "evermill/codec.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/future.hpp"
#include "evermill/handlers.hpp"
#include "evermill/handles.hpp"
#include "evermill/human_task.hpp"
#include "evermill/lock.hpp"
#include "evermill/log_level.hpp"
#include "evermill/registry.hpp"
#include "evermill/saga.hpp"
#include "evermill/scope.hpp"
#include "evermill/task.hpp"
