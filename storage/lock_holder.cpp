#include "storage/lock_holder.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace evermill::storage {

long lock_holder(const std::filesystem::path& directory) {
  struct stat about {};
  if (::stat((directory / "LOCK").c_str(), &about) != 0) return 0;
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, "%02x:%02x:%llu", major(about.st_dev), minor(about.st_dev),
                static_cast<unsigned long long>(about.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, access, inode;
    long pid = 0;
    if (words >> number >> kind >> advisory >> access >> pid >> inode && inode == wanted) return pid;
  }
  return 0;
}

}  // namespace evermill::storage
