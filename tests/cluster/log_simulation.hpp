// Random processes over one partition's log: claims, commits, deaths, lost stores, slow connections, lost answers. Each commit adds
// an entry to a list that lies in the store, so that what a wrong judge, a zombie or a lost record does shows as a list that is not
// what its writers were told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace evermill::cluster {

struct log_simulation_result {
  std::string problem;  ///< "": none
  std::map<std::string, std::uint64_t> happened;  ///< how often each kind of thing did
  std::string trace;    ///< the same seed gives the same one
};

log_simulation_result simulate_log(std::uint64_t seed);

}  // namespace evermill::cluster
