#include "storage/key_value_store.hpp"

#include <utility>

namespace evermill::storage {
namespace {

constexpr unsigned char erase_bit = 0x80;

void append_varint(std::string& out, std::size_t n) {
  for (; n >= 0x80; n >>= 7) out.push_back(static_cast<char>(n | 0x80));
  out.push_back(static_cast<char>(n));
}

/// Takes a length and as many bytes off the front; nothing where they are not there.
std::optional<std::string_view> take_text(std::string_view& bytes) {
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (bytes.empty() || shift > 56) return std::nullopt;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    length |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (length > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return text;
}

}  // namespace

std::optional<write_batch> write_batch::from_bytes(std::string bytes) {
  write_batch batch;
  for (std::string_view rest = bytes; !rest.empty(); ++batch.count_) {
    if (!take(rest)) return std::nullopt;
  }
  batch.operations_ = std::move(bytes);
  return batch;
}

std::size_t write_batch::whole_bytes(std::string_view bytes) {
  std::size_t whole = 0;
  for (std::string_view rest = bytes; !rest.empty() && take(rest);) whole = bytes.size() - rest.size();
  return whole;
}

void write_batch::put(family f, std::string_view key, std::string_view value) {
  operations_.push_back(static_cast<char>(f));
  append_varint(operations_, key.size());
  operations_.append(key);
  append_varint(operations_, value.size());
  operations_.append(value);
  ++count_;
}

void write_batch::erase(family f, std::string_view key) {
  operations_.push_back(static_cast<char>(static_cast<unsigned char>(f) | erase_bit));
  append_varint(operations_, key.size());
  operations_.append(key);
  ++count_;
}

void write_batch::append(const write_batch& other) {
  operations_.append(other.operations_);
  count_ += other.count_;
}

std::optional<write_batch::operation> write_batch::take(std::string_view& bytes) {
  const auto tag = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  operation op;
  op.erase = (tag & erase_bit) != 0;
  op.target = static_cast<family>(tag & ~erase_bit);
  if (static_cast<std::size_t>(op.target) >= family_count) return std::nullopt;
  const auto key = take_text(bytes);
  const auto value = key && !op.erase ? take_text(bytes) : std::string_view();
  if (!key || !value) return std::nullopt;
  op.key = *key;
  op.value = *value;
  return op;
}

}  // namespace evermill::storage
