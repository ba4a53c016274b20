// What all brokers count and check in the same way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "evermill/broker.hpp"

namespace evermill::queue {

/// Key, value and headers together, as `max_record_bytes` counts them.
inline std::size_t record_bytes(const record& of) {
  std::size_t bytes = of.key.size() + of.value.size();
  for (const record_header& header : of.headers) bytes += header.first.size() + header.second.size();
  return bytes;
}

/// Names that every broker takes: 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-'.
inline bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

/// Does what goes there stay on this machine, whoever answers for names? An IPv6 address stands without its brackets.
inline bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

}  // namespace evermill::queue
