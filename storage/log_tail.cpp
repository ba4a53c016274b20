#include "storage/log_tail.hpp"

#include <rocksdb/env.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/planted.hpp"

namespace evermill::storage {
namespace {

// The format of RocksDB's logs: blocks of 32 KiB; a record is checksum (4), length (2), type (1), payload.
constexpr std::size_t block_bytes = 32u << 10;
constexpr std::size_t header_bytes = 7;
constexpr unsigned length_bits = 16;
// Full, first, middle, last. Higher ones are of recycled logs, which evermill has none of: RocksDB takes such a record for
// what an earlier use of the file has left, and so for the log's end. Writes that are torn leave none.
constexpr unsigned char last_type = 4;

constexpr std::array<std::uint32_t, 256> make_crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0);
    table[byte] = value;
  }
  return table;
}

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = make_crc32c_table();
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

/// As RocksDB stores it.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

unsigned byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

struct header {
  std::uint32_t checksum;
  std::size_t size;  // of the whole record
  unsigned type;
};
std::optional<header> header_at(std::string_view block, std::size_t at) {
  if (block.size() - at < header_bytes) return std::nullopt;
  header found{};
  for (std::size_t i = 0; i < 4; ++i) found.checksum |= byte_at(block, at + i) << (8 * i);
  found.size = header_bytes + (byte_at(block, at + 4) | byte_at(block, at + 5) << 8);
  found.type = byte_at(block, at + 6);
  return found;
}

/// Has `of`, which stands at `at`, the right checksum if it has this size?
bool is_good(const header& of, std::string_view block, std::size_t at, std::size_t size) {
  if (size < header_bytes || size > block.size() - at) return false;
  const std::size_t covered = size - header_bytes + 1;  // the type and the payload
  return masked(crc32c(block.substr(at + header_bytes - 1, covered))) == of.checksum;
}

bool good_record_at(std::string_view block, std::size_t at) {
  const auto found = header_at(block, at);
  return found && found->type != 0 && found->type <= last_type && is_good(*found, block, at, found->size);
}

/// Of a record that seems to reach beyond the end: is it whole, and its length damaged? Its checksum, which does not cover the
/// length, is that of all the rest, or of what a length says that differs in one bit.
bool is_good_but_for_its_length(const header& of, std::string_view block, std::size_t at) {
  if (is_good(of, block, at, block.size() - at)) return true;
  for (unsigned bit = 0; bit < length_bits; ++bit) {
    if (is_good(of, block, at, header_bytes + ((of.size - header_bytes) ^ (1U << bit)))) return true;
  }
  return false;
}

bool is_zeroes(const header& of) { return of.type == 0 && of.size == header_bytes; }

bool good_record_from(std::string_view block, std::size_t at) {
  for (; at < block.size(); ++at) {
    if (good_record_at(block, at)) return true;
  }
  return false;
}

/// Are there zeroes in place of a record? RocksDB skips the rest of such a block without a word.
bool breaks_off(std::string_view block) {
  for (std::size_t at = 0;;) {
    const auto found = header_at(block, at);
    if (!found || is_zeroes(*found) || found->size > block.size() - at) return found && is_zeroes(*found);
    at += found->size;
  }
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number |= std::uint64_t{byte_at(bytes, at + i)} << (8 * i);
  return number;
}

/// Follows the batches of a log over its blocks. A batch begins with the number of its first row (8) and how many it has (4).
class batch_reader {
 public:
  explicit batch_reader(log_contents& contents) : contents_(contents) {}

  void read(std::string_view block) {
    std::size_t at = 0;
    while (contents_.ends_whole || in_batch_) {
      const auto found = header_at(block, at);
      if (!found) {
        if (block.size() < block_bytes && at < block.size()) break;  // a torn header; in a whole block, its padding
        return;
      }
      if (is_zeroes(*found)) {
        begin_at(0);
        break;
      }
      const bool torn = found->size > block.size() - at;
      add(*found, block.substr(at + header_bytes, torn ? block.npos : found->size - header_bytes));
      if (torn) break;
      at += found->size;
    }
    contents_.ends_whole = false;
    in_batch_ = false;
  }

 private:
  void add(const header& of, std::string_view payload) {
    const bool begins = of.type == 1 || of.type == 2;
    if (begins && payload.size() >= 12) {
      const std::uint64_t first = number_at(payload, 0, 8);
      begin_at(first);
      behind_ = first + number_at(payload, 8, 4);
      in_batch_ = true;
    }
    const bool is_there = payload.size() + header_bytes == of.size;
    const bool ends = is_there && (of.type == 1 || of.type == last_type);
    if (ends && std::exchange(in_batch_, false)) contents_.next_sequence = behind_;
    contents_.ends_whole = !in_batch_;
  }

  /// Of its first batch, whole or not.
  void begin_at(std::uint64_t number) {
    if (!contents_.first_sequence) contents_.first_sequence = contents_.next_sequence = number;
  }

  log_contents& contents_;
  bool in_batch_ = false;     // one has begun, and its end has not come yet
  std::uint64_t behind_ = 0;  // the number behind its last row
};

}  // namespace

bool hides_a_good_record(std::string_view block, log_kind kind) {
  if (planted(bug::take_damage_for_a_torn_tail)) return false;
  std::size_t at = 0;
  while (true) {
    const auto found = header_at(block, at);
    if (!found) return false;
    if (is_zeroes(*found) && kind == log_kind::manifest) return false;
    if (found->type > last_type) return true;
    if (is_zeroes(*found)) break;
    if (found->size > block.size() - at) {
      if (is_good_but_for_its_length(*found, block, at)) return true;
      break;
    }
    at += found->size;
  }
  return good_record_from(block, at + 1);
}

rocksdb::Status check_log(rocksdb::Env& env, const std::string& file, log_kind kind, log_contents& contents) {
  contents = {};
  std::unique_ptr<rocksdb::SequentialFile> in;
  rocksdb::Status status = env.NewSequentialFile(file, &in, rocksdb::EnvOptions());
  if (status.IsNotFound() || status.IsPathNotFound()) return rocksdb::Status::OK();
  std::string buffer(block_bytes, '\0');
  bool ended = false;
  batch_reader batches(contents);
  while (status.ok()) {
    rocksdb::Slice read;
    status = in->Read(block_bytes, &read, buffer.data());
    const std::string_view block(read.data(), read.size());
    if (!status.ok() || block.empty()) break;
    if (ended ? good_record_from(block, 0) : hides_a_good_record(block, kind)) {
      return rocksdb::Status::Corruption(file, "a record that is not whole is followed by one that is, or is damaged");
    }
    ended = ended || (kind == log_kind::commits && breaks_off(block));
    if (kind == log_kind::commits) batches.read(block);
  }
  return status;
}

bool lacks_its_end(const log_contents& before, const log_contents& next) {
  if (planted(bug::take_damage_for_a_torn_tail)) return false;
  return !before.ends_whole && before.first_sequence && next.first_sequence && *next.first_sequence > before.next_sequence;
}

}  // namespace evermill::storage
