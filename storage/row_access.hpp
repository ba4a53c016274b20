// Framed values: what every kind of row shares. Internal to storage/.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "messages/record.hpp"
#include "storage/key_value_store.hpp"

namespace evermill::storage {

inline std::string framed_key(family f, std::string_view key) {
  std::string whole(1, static_cast<char>(f));
  whole.append(key);
  return whole;
}

/// The frame's checksum covers family and key, so that a row that was moved is noticed.
inline void put_message(write_batch& batch, family f, std::string_view key,
                        const google::protobuf::MessageLite& content) {
  thread_local std::string value;  // keeps its memory: this is the hot path
  value.clear();
  append_record(value, framed_key(f, key), content);
  batch.put(f, key, value);
}

/// `name` gives the row's name for an error; it is called only then.
template <class Name>
  requires std::is_invocable_v<Name>
storage_result<void> parse_message(family f, std::string_view key, std::string_view value, Name&& name,
                                   google::protobuf::MessageLite& content) {
  const auto parsed = parse_record(framed_key(f, key), value, content);
  if (parsed) return {};
  const auto code = parsed.error() == record_error::newer_version ? storage_errc::newer_format : storage_errc::corrupt;
  return unexpected(storage_error{code, name() + ": " + std::string(to_string(parsed.error()))});
}

inline storage_result<void> parse_message(family f, std::string_view key, std::string_view value, std::string_view what,
                                          google::protobuf::MessageLite& content) {
  return parse_message(f, key, value, [what] { return std::string(what); }, content);
}

}  // namespace evermill::storage
