// Everything an author needs.
#pragma once

#include "activity_context.hpp"
#include "codec.hpp"
#include "context.hpp"
#include "exceptions.hpp"
#include "failure.hpp"
#include "future.hpp"
#include "handles.hpp"
#include "log_level.hpp"
#include "payload.hpp"
#include "registry.hpp"
#include "task.hpp"

#if __has_include(<evermill/engine.hpp>)
#include <evermill/engine.hpp>
#endif
