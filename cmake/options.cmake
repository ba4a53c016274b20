set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(EVERMILL_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(EVERMILL_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(EVERMILL_TCMALLOC "Link evermill's own programs with tcmalloc (faster where threads pass memory on)" ON)
option(EVERMILL_FUZZ "Build libFuzzer targets instead of the other tests (clang)" OFF)
option(EVERMILL_LONG_TESTS "Also the tests that take many minutes and a machine of their own (test.sh --all)" OFF)
set(EVERMILL_TEST_SET "all" CACHE STRING "Which tests: all, parts (within a process: for sanitizers) or programs (processes, real services, and the engine)")
option(EVERMILL_ALL_CHECKS "All checks of UBSan: with ASan beside it, four costly ones are left out otherwise (test.sh --all)" OFF)
option(EVERMILL_PLANTED_BUGS "Build the test that the simulation finds planted bugs (tests/planted)" OFF)
set(EVERMILL_SANITIZE "" CACHE STRING "Sanitizers for the whole build, for example address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(EVERMILL_CCACHE ccache)
if(EVERMILL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache asks of those who use precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${EVERMILL_CCACHE})
endif()

# Links in a fifth of the time that GNU ld takes. Without it, or with a compiler that does not know it, the compiler's own linker does.
find_program(EVERMILL_MOLD mold)
if(EVERMILL_MOLD)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=mold EVERMILL_LINKS_WITH_MOLD)
  if(EVERMILL_LINKS_WITH_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# Applied to evermill's own targets only; installed consumers keep their own flags.
add_library(evermill_warnings INTERFACE)
target_compile_options(evermill_warnings INTERFACE -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers)

if(EVERMILL_SANITIZE)
  add_compile_options(-fsanitize=${EVERMILL_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${EVERMILL_SANITIZE})
  if(EVERMILL_SANITIZE MATCHES "address" AND EVERMILL_SANITIZE MATCHES "undefined" AND NOT EVERMILL_ALL_CHECKS)
    # They stand before every access, take two fifths of the time to compile, and nearly all that they find ASan finds, too.
    add_compile_options(-fno-sanitize=null,object-size,vptr,alignment)
  endif()
  # GCC's own manual says that sanitizers make this warning give false alarms; optimised builds keep it.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND EVERMILL_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=function) # clang 14 can't write its prologue for a coroutine
  endif()
endif()
