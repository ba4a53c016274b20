#include "plugins/task/docker/log_stream.hpp"

#include <algorithm>
#include <utility>

namespace evermill::tasks {

bool log_stream::begin_frame() {
  constexpr unsigned char standard_error = 2;  // 1: standard output; 0, standard input, is not logged
  if (header_[0] > standard_error || header_[1] != 0 || header_[2] != 0 || header_[3] != 0) return false;
  stream_ = header_[0] == standard_error ? output_stream::err : output_stream::out;
  left_ = 0;
  for (std::size_t i = 4; i < header_size; ++i) left_ = left_ << 8 | header_[i];
  header_bytes_ = 0;
  size_ = left_;
  if (std::exchange(lines_[static_cast<std::size_t>(stream_)].lacks_end, false)) piece_(stream_, "\n");
  if (size_ == 0) end_frame('\0');
  return true;
}

void log_stream::end_frame(char last) {
  line_state& line = lines_[static_cast<std::size_t>(stream_)];
  const bool full = size_ == full_frame && last != '\n';
  line.lacks_end = line.is_long && !full && last != '\n';
  line.is_long = full;
}

bool log_stream::read(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (left_ > 0) {
      const std::string_view piece = bytes.substr(0, left_);
      piece_(stream_, piece);
      left_ -= static_cast<std::uint32_t>(piece.size());
      bytes.remove_prefix(piece.size());
      if (left_ == 0) end_frame(piece.back());
      continue;
    }
    const std::size_t taken = std::min(bytes.size(), header_size - header_bytes_);
    std::copy_n(bytes.begin(), taken, header_.begin() + static_cast<std::ptrdiff_t>(header_bytes_));
    header_bytes_ += taken;
    bytes.remove_prefix(taken);
    if (header_bytes_ == header_size) broken_ = !begin_frame();
  }
  return !broken_;
}

}  // namespace evermill::tasks
