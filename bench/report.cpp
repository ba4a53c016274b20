#include "bench/report.hpp"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>

namespace evermill::bench {
namespace {

nlohmann::ordered_json to_json(const figures& all) {
  return {{"workload", all.workload},
          {"instances", all.instances},
          {"steps", all.steps},
          {"seconds", all.seconds},
          {"steps_per_second", all.steps_per_second},
          {"instances_per_second", all.instances_per_second},
          {"p50_ms", all.p50_ms},
          {"p99_ms", all.p99_ms},
          {"memory_bytes_per_instance", all.memory_bytes_per_instance},
          {"disk_bytes_per_instance", all.disk_bytes_per_instance},
          {"syncs", all.syncs},
          {"commits", all.commits},
          {"bytes_written", all.bytes_written},
          {"durability", all.durability},
          {"sync_ms", all.sync_ms},
          {"syncs_time_per_activity", all.syncs_time_per_activity}};
}

}  // namespace

void print_json(const figures& all, std::ostream& out) { out << to_json(all).dump() << '\n'; }

void print_table(const figures& all, std::ostream& out) {
  const nlohmann::ordered_json fields = to_json(all);
  for (const auto& [name, value] : fields.items()) {
    out << std::left << std::setw(28) << name << std::right << std::setw(16);
    if (value.is_number_float()) {
      out << std::fixed << std::setprecision(3) << value.get<double>();
    } else if (value.is_string()) {
      out << value.get_ref<const std::string&>();
    } else {
      out << value.get<std::uint64_t>();
    }
    out << '\n';
  }
}

}  // namespace evermill::bench
