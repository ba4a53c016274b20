# What nearly every source includes is read once: one header for the libraries and programs, one more for the tests. Sources
# name all they need all the same: clang's presets build without.
#
# GCC takes a precompiled header only under the options with which it was made. Some dependencies bring -pthread, so that all
# of ours have it; and CMake compiles programs with -fPIE, libraries with -fPIC.
option(EVERMILL_PRECOMPILED_HEADERS "Read the standard library's, Protobuf's and GoogleTest's headers once per build" ON)

add_compile_options(-pthread)

function(evermill_precompiled name)
  cmake_parse_arguments(arg "" "" "HEADERS;DEPENDS" ${ARGN})
  set(source ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Belongs to the precompiled header of the same name.\n")
  add_library(${name} STATIC EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} evermill_warnings)
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()

# evermill_of_programs(TARGET…): libraries that are compiled as their programs are, to share headers with them.
function(evermill_of_programs)
  foreach(library ${ARGV})
    set_target_properties(${library} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${library} PRIVATE -fPIE)
  endforeach()
endfunction()

# evermill_precompile(TARGET HEADER): TARGET's sources use what HEADER (a target of the above) has read.
function(evermill_precompile target header)
  if(EVERMILL_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} REUSE_FROM ${header})
    if(header STREQUAL "evermill_test_headers" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # GCC 12 warns of `text + std::move(string)` inside libstdc++ (its bugs 105329 and 105651), and forgets in a precompiled
      # header that this is a system's.
      target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
    endif()
  endif()
endfunction()

set(precompiled_headers
    <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <deque> <filesystem> <fstream> <functional> <map>
    <memory> <mutex> <optional> <set> <sstream> <stdexcept> <string> <string_view> <thread> <unordered_map> <utility>
    <variant> <vector> <google/protobuf/wrappers.pb.h> <nlohmann/json.hpp> <tl/expected.hpp>)
if(EVERMILL_PRECOMPILED_HEADERS)
  evermill_precompiled(evermill_headers HEADERS ${precompiled_headers} DEPENDS protobuf::libprotobuf nlohmann_json::nlohmann_json)
endif()
