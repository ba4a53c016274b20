// The engine's format for standard output and standard error in one stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "plugins/task/shell/shell_backend.hpp"

namespace evermill::tasks {

/// The engine logs a line of more than 16 KiB in frames of that size, and version 20.10 leaves out the line's end, which is put back
/// here when something follows.
///
/// Takes the stream in pieces of any size: frames of a header (stream, three zeros, length as 4 bytes, most significant first)
/// and that many bytes.
class log_stream {
 public:
  using on_piece = std::function<void(output_stream, std::string_view)>;

  /// `piece` is called for whatever there is of a frame's content.
  explicit log_stream(on_piece piece) : piece_(std::move(piece)) {}

  /// False: this is no such stream; nothing more is read.
  bool read(std::string_view bytes);
  /// Does the stream end here between two frames?
  bool whole() const noexcept { return header_bytes_ == 0 && left_ == 0; }

 private:
  static constexpr std::size_t header_size = 8;

  static constexpr std::uint32_t full_frame = 16 * 1024;
  struct line_state {
    bool is_long = false;   // its frames so far were full ones without an end
    bool lacks_end = false;
  };

  bool begin_frame();
  void end_frame(char last);

  on_piece piece_;
  std::array<unsigned char, header_size> header_{};
  std::size_t header_bytes_ = 0;  // of the header, that have come
  std::uint32_t size_ = 0;        // of the frame
  std::uint32_t left_ = 0;        // of the frame, that has not come
  std::array<line_state, 2> lines_{};
  output_stream stream_ = output_stream::out;
  bool broken_ = false;
};

}  // namespace evermill::tasks
