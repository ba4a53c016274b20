# evermill_library(NAME SOURCES a.cpp … DEPENDS evermill::x … [PRIVATE_DEPENDS …])
#
# One static library per folder, `evermill_NAME`, alias `evermill::NAME`. Includes are written from the root of the
# tree ("storage/journal.hpp"); public headers, which live in FOLDER/evermill/, as <evermill/engine.hpp>.
function(evermill_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(evermill_${name} STATIC ${arg_SOURCES})
  add_library(evermill::${name} ALIAS evermill_${name})
  target_include_directories(evermill_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/evermill)
    target_include_directories(evermill_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>
                                                       $<INSTALL_INTERFACE:include>)
  endif()
  target_compile_features(evermill_${name} PUBLIC cxx_std_20)
  target_link_libraries(evermill_${name} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS}
                                                                      $<BUILD_INTERFACE:evermill_warnings>)
  evermill_precompile(evermill_${name} evermill_headers)
  evermill_unite(evermill_${name})
  set_property(GLOBAL APPEND PROPERTY EVERMILL_LIBRARIES evermill_${name})
endfunction()

# evermill_use_allocator(TARGET): what a program that is evermill's own allocates with. Libraries leave that to the programs
# that link them. A sanitizer brings its own.
function(evermill_use_allocator target)
  if(EVERMILL_TCMALLOC AND NOT EVERMILL_SANITIZE)
    target_link_libraries(${target} PRIVATE PkgConfig::tcmalloc)
  endif()
endfunction()

# evermill_programs_from_here(): what follows in this file runs evermill's programs, and is not of the set "parts"; nor is it tested with
# ThreadSanitizer, for which gRPC is not built.
macro(evermill_programs_from_here)
  if(EVERMILL_TEST_SET STREQUAL "parts" OR EVERMILL_SANITIZE MATCHES "thread")
    return()
  endif()
endmacro()

# evermill_test(NAME SOURCES a_test.cpp … DEPENDS … [ALONE b_test.cpp …] [PARTS part=FILTER …] [LOCK name]
#               [REAL_SERVICES]): one GoogleTest binary, its cases
# known to ctest.
# PARTS: ctest runs those that a filter names as one test, NAME.part, as they share what they start; the program ends with 77 where
# that can't be started.
# LOCK: parts run one at a time with all that has the same.
# REAL_SERVICES: needs servers of other makers beside it, and is of the set "programs".
# ALONE: sources that are never united with others, as their short names would clash.
function(evermill_test name)
  cmake_parse_arguments(arg "REAL_SERVICES" "TIMEOUT;LOCK" "SOURCES;DEPENDS;ALONE;PARTS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_source_files_properties(${arg_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  add_executable(${name} ${arg_SOURCES} ${arg_ALONE})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main evermill_warnings)
  evermill_precompile(${name} evermill_test_headers)
  evermill_unite(${name})
  if((evermill_leave_out_parts AND NOT arg_REAL_SERVICES) OR (EVERMILL_TEST_SET STREQUAL "parts" AND arg_REAL_SERVICES))
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  foreach(part ${arg_PARTS})
    string(REGEX MATCH "^([^=]+)=(.+)$" ignored ${part})
    set(test ${name}.${CMAKE_MATCH_1})
    add_test(NAME ${test} COMMAND ${name} --gtest_filter=${CMAKE_MATCH_2})
    set_tests_properties(${test} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 COST 1000)  # the longest first
    if(arg_LOCK)
      set_tests_properties(${test} PROPERTIES RESOURCE_LOCK ${arg_LOCK})
    endif()
  endforeach()
  if(NOT arg_PARTS)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()
