// What tokens are made of: randomness from the operating system, digests, base62.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace evermill::server::security {

using digest = std::array<unsigned char, 32>;

/// Thread-safe.
digest sha256(std::string_view data);
std::string to_hex(const digest& of);
/// False: the text is not 64 hexadecimal digits.
bool from_hex(std::string_view text, digest& into);

/// Takes as long whatever they differ in.
bool same_secret(const digest& a, const digest& b) noexcept;

inline constexpr std::string_view base62_digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
bool is_base62(std::string_view text) noexcept;

/// Digits that nobody can guess, each of the 62 equally likely: 43 of them hold 256 bits. Throws std::runtime_error where the
/// operating system has no randomness.
std::string random_base62(std::size_t digits);

/// CRC-32 (IEEE 802.3) in six base62 digits, most significant first: what secret scanners and typing errors are met with. No
/// protection against anybody who means it.
std::string checksum_of(std::string_view text);

}  // namespace evermill::server::security
