# Everything here is packaged in Debian 12; scripts/install-dependencies.sh installs it.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tl-expected REQUIRED)
find_package(RocksDB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL 7.85 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(CAF 0.17 REQUIRED)
find_package(PkgConfig REQUIRED)
find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)  # headers only, for engine/answer_check.cpp
find_path(BEAST_INCLUDE_DIR boost/beast/http.hpp REQUIRED)  # headers only, for server/http/http_server.cpp
pkg_check_modules(tcmalloc REQUIRED IMPORTED_TARGET libtcmalloc_minimal)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
# It asks for -D_FILE_OFFSET_BITS=64, which its headers have no use for, and which keeps GCC from precompiled headers.
set_property(TARGET PkgConfig::hiredis PROPERTY INTERFACE_COMPILE_OPTIONS "")
pkg_check_modules(yaml_cpp REQUIRED IMPORTED_TARGET yaml-cpp)
find_path(JQ_INCLUDE_DIR jq.h REQUIRED)  # with jv.h; Debian's libjq-dev has no file for pkg-config
find_library(JQ_LIBRARY jq REQUIRED)
find_package(SQLite3 QUIET)  # for examples/sqlite_queue, which is left out without it
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
# Its macros check the types of their arguments by a GNU extension, which clang warns of.
set_property(TARGET PkgConfig::rdkafka APPEND PROPERTY INTERFACE_COMPILE_DEFINITIONS LIBRDKAFKA_TYPECHECKS=0)

# ThreadSanitizer takes what it can't see for races: every message would be one.
if(EVERMILL_SANITIZE MATCHES "thread")
  file(STRINGS ${CAF_CORE_LIBRARY} instrumented REGEX "__tsan_" LIMIT_COUNT 1)
  if(NOT instrumented)
    message(FATAL_ERROR "${CAF_CORE_LIBRARY} is not built with -fsanitize=thread. Run scripts/build-instrumented-caf.sh, which "
                        "puts one that is into build/caf-tsan, and configure again with -UCAF_*.")
  endif()
endif()
