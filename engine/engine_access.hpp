// What evermill's own servers need of an engine, and no program that embeds one.
#pragma once

#include "base/metrics.hpp"
#include "deciders/connected_deciders.hpp"
#include "engine/request_metrics.hpp"
#include "evermill/engine.hpp"
#include "plugins/task/connected/connected_workers.hpp"

namespace evermill {

struct engine_access {
  /// Lives as long as the engine; null without engine_options::accept_workers.
  static tasks::connected_workers* workers(engine& of);
  /// As workers.
  static deciders::connected_deciders* deciders(engine& of);
  /// What engine::metrics shows; a server adds its own. Lives as long as the engine.
  static metrics::registry& shown(engine& of);
  /// Where servers count what they are asked. Lives as long as the engine.
  static request_metrics& requests(engine& of);
};

}  // namespace evermill
