// The part of a server's configuration file that declares namespaces. docs/namespaces.md describes it.
#pragma once

#include <vector>

#include "dsl/document.hpp"
#include "evermill/engine_options.hpp"

namespace evermill::server {

/// Reads the object `namespaces` of a configuration file: a namespace for each member. Everything that is wrong is added to `found`, with
/// its place; what is returned is of use only where there are no errors.
std::vector<namespace_options> read_namespaces(const dsl::node& from, dsl::problems& found);

}  // namespace evermill::server
