// Everything that authors of workflows and programs that embed the engine need.
#pragma once

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
