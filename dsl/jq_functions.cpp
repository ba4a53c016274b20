#include "dsl/jq_functions.hpp"

#include <algorithm>
#include <array>

#include "base/spelling.hpp"

namespace evermill::dsl::jq {
namespace {

// What `jq -n builtins` of Debian's jq 1.6 says, sorted.
constexpr std::array all_functions = std::to_array<std::string_view>({
    "IN/1",
    "IN/2",
    "INDEX/1",
    "INDEX/2",
    "JOIN/2",
    "JOIN/3",
    "JOIN/4",
    "acos/0",
    "acosh/0",
    "add/0",
    "all/0",
    "all/1",
    "all/2",
    "any/0",
    "any/1",
    "any/2",
    "arrays/0",
    "ascii_downcase/0",
    "ascii_upcase/0",
    "asin/0",
    "asinh/0",
    "atan/0",
    "atan2/2",
    "atanh/0",
    "booleans/0",
    "bsearch/1",
    "builtins/0",
    "capture/1",
    "capture/2",
    "cbrt/0",
    "ceil/0",
    "combinations/0",
    "combinations/1",
    "contains/1",
    "copysign/2",
    "cos/0",
    "cosh/0",
    "debug/0",
    "del/1",
    "delpaths/1",
    "drem/2",
    "empty/0",
    "endswith/1",
    "env/0",
    "erf/0",
    "erfc/0",
    "error/0",
    "error/1",
    "exp/0",
    "exp10/0",
    "exp2/0",
    "explode/0",
    "expm1/0",
    "fabs/0",
    "fdim/2",
    "finites/0",
    "first/0",
    "first/1",
    "flatten/0",
    "flatten/1",
    "floor/0",
    "fma/3",
    "fmax/2",
    "fmin/2",
    "fmod/2",
    "format/1",
    "frexp/0",
    "from_entries/0",
    "fromdate/0",
    "fromdateiso8601/0",
    "fromjson/0",
    "fromstream/1",
    "gamma/0",
    "get_jq_origin/0",
    "get_prog_origin/0",
    "get_search_list/0",
    "getpath/1",
    "gmtime/0",
    "group_by/1",
    "gsub/2",
    "gsub/3",
    "halt/0",
    "halt_error/0",
    "halt_error/1",
    "has/1",
    "hypot/2",
    "implode/0",
    "in/1",
    "index/1",
    "indices/1",
    "infinite/0",
    "input/0",
    "input_filename/0",
    "input_line_number/0",
    "inputs/0",
    "inside/1",
    "isempty/1",
    "isfinite/0",
    "isinfinite/0",
    "isnan/0",
    "isnormal/0",
    "iterables/0",
    "j0/0",
    "j1/0",
    "jn/2",
    "join/1",
    "keys/0",
    "keys_unsorted/0",
    "last/0",
    "last/1",
    "ldexp/2",
    "leaf_paths/0",
    "length/0",
    "lgamma/0",
    "lgamma_r/0",
    "limit/2",
    "localtime/0",
    "log/0",
    "log10/0",
    "log1p/0",
    "log2/0",
    "logb/0",
    "ltrimstr/1",
    "map/1",
    "map_values/1",
    "match/1",
    "match/2",
    "max/0",
    "max_by/1",
    "min/0",
    "min_by/1",
    "mktime/0",
    "modf/0",
    "modulemeta/0",
    "nan/0",
    "nearbyint/0",
    "nextafter/2",
    "nexttoward/2",
    "normals/0",
    "not/0",
    "now/0",
    "nth/1",
    "nth/2",
    "nulls/0",
    "numbers/0",
    "objects/0",
    "path/1",
    "paths/0",
    "paths/1",
    "pow/2",
    "pow10/0",
    "range/1",
    "range/2",
    "range/3",
    "recurse/0",
    "recurse/1",
    "recurse/2",
    "recurse_down/0",
    "remainder/2",
    "repeat/1",
    "reverse/0",
    "rindex/1",
    "rint/0",
    "round/0",
    "rtrimstr/1",
    "scalars/0",
    "scalars_or_empty/0",
    "scalb/2",
    "scalbln/2",
    "scan/1",
    "select/1",
    "setpath/2",
    "significand/0",
    "sin/0",
    "sinh/0",
    "sort/0",
    "sort_by/1",
    "split/1",
    "split/2",
    "splits/1",
    "splits/2",
    "sqrt/0",
    "startswith/1",
    "stderr/0",
    "strflocaltime/1",
    "strftime/1",
    "strings/0",
    "strptime/1",
    "sub/2",
    "sub/3",
    "tan/0",
    "tanh/0",
    "test/1",
    "test/2",
    "tgamma/0",
    "to_entries/0",
    "todate/0",
    "todateiso8601/0",
    "tojson/0",
    "tonumber/0",
    "tostream/0",
    "tostring/0",
    "transpose/0",
    "trunc/0",
    "truncate_stream/1",
    "type/0",
    "unique/0",
    "unique_by/1",
    "until/2",
    "utf8bytelength/0",
    "values/0",
    "walk/1",
    "while/2",
    "with_entries/1",
    "y0/0",
    "y1/0",
    "yn/2",
});
static_assert(std::is_sorted(all_functions.begin(), all_functions.end()));

constexpr std::array formats =
    std::to_array<std::string_view>({"base64", "base64d", "csv", "html", "json", "sh", "text", "tsv", "uri"});

struct refused_function {
  std::string_view name;
  std::string_view hint;
};

constexpr std::string_view use_given_times = "use $workflow.startedAt or $task.startedAt";
constexpr std::string_view no_input_stream = "an expression has one input, which is .";
constexpr std::string_view no_output_stream = "an expression writes nothing but its result";
constexpr std::string_view no_environment = "pass what is needed as the workflow's input, or as a secret";
constexpr std::string_view no_local_time = "use UTC: gmtime, strftime, todate";
constexpr std::string_view no_modules = "an expression stands alone";
constexpr std::string_view no_nan = "JSON has no NaN; use null";
constexpr std::string_view no_bessel = "no limit could stop it";
constexpr std::string_view no_halt = "use error(…), or a raise task";

constexpr std::array refused_functions = std::to_array<refused_function>({
    {"now", use_given_times},
    {"input", no_input_stream},
    {"inputs", no_input_stream},
    {"input_filename", no_input_stream},
    {"input_line_number", no_input_stream},
    {"debug", no_output_stream},
    {"stderr", no_output_stream},
    {"env", no_environment},
    {"localtime", no_local_time},
    {"strflocaltime", no_local_time},
    {"get_search_list", no_modules},
    {"get_jq_origin", no_modules},
    {"get_prog_origin", no_modules},
    {"modulemeta", no_modules},
    {"nan", no_nan},
    {"jn", no_bessel},
    {"yn", no_bessel},
    {"halt", no_halt},
    {"halt_error", no_halt},
});

std::string_view name_of(std::string_view function) { return function.substr(0, function.rfind('/')); }

std::string signature(std::string_view name, std::size_t parameters) {
  return std::string(name).append("/").append(std::to_string(parameters));
}

}  // namespace

bool is_function(std::string_view name, std::size_t parameters) {
  return std::binary_search(all_functions.begin(), all_functions.end(), signature(name, parameters));
}

bool is_format(std::string_view name) { return std::find(formats.begin(), formats.end(), name) != formats.end(); }

std::string_view why_refused(std::string_view name) {
  const auto found = std::find_if(refused_functions.begin(), refused_functions.end(),
                                  [&](const refused_function& f) { return f.name == name; });
  return found == refused_functions.end() ? std::string_view() : found->hint;
}

native_function native_function_of(std::string_view name, std::size_t parameters) {
  struct entry {
    std::string_view name;
    std::size_t parameters;
    native_function what;
  };
  static constexpr std::array entries = std::to_array<entry>({
      {"not", 0, native_function::not_},
      {"length", 0, native_function::length},
      {"tostring", 0, native_function::tostring},
      {"type", 0, native_function::type},
      {"has", 1, native_function::has},
      {"map", 1, native_function::map},
      {"add", 0, native_function::add},
      {"ascii_downcase", 0, native_function::ascii_downcase},
      {"floor", 0, native_function::floor},
  });
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const entry& e) { return e.name == name && e.parameters == parameters; });
  return found == entries.end() ? native_function::none : found->what;
}

std::string advice(std::string_view name, std::size_t parameters) {
  std::vector<std::string> near;
  std::string others;
  for (const std::string_view function : all_functions) {
    if (name_of(function) == name) {
      others.append(others.empty() ? "" : " or ").append(function.substr(function.rfind('/') + 1));
    } else {
      near.emplace_back(name_of(function));
    }
  }
  if (!others.empty()) {
    return std::string(name)
        .append(" takes ")
        .append(others)
        .append(others == "1" ? " parameter, not " : " parameters, not ")
        .append(std::to_string(parameters));
  }
  const std::string like = nearest(name, near);
  return like.empty() ? std::string() : "did you mean \"" + like + "\"?";
}

}  // namespace evermill::dsl::jq
