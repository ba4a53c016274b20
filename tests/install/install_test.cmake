# Run by ctest with -P; see CMakeLists.txt beside it.
set(expected "charged 1250 cents, approved by alice: [book] [lamp] [tea]")
set(prefix ${SCRATCH}/prefix)
file(REMOVE_RECURSE ${SCRATCH})
set(sanitize "")
if(SANITIZE)
  set(sanitize "-fsanitize=${SANITIZE}")
endif()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT code EQUAL 0)
    string(REPLACE ";" " " line "${ARGN}")
    message(FATAL_ERROR "${line}\nended with ${code}\n${out}\n${err}")
  endif()
  string(STRIP "${out}" out)
  set(output "${out}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

# The installed headers must stand alone, so the project is copied out of the tree that has them all.
file(COPY ${SOURCE}/examples/embedded DESTINATION ${SCRATCH})
run(${CMAKE_COMMAND} -S ${SCRATCH}/embedded -B ${SCRATCH}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${sanitize})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)

# In memory, then durably, then once more: the finished order is found again and not fulfilled anew.
foreach(arguments "" "${SCRATCH}/data" "${SCRATCH}/data")
  run(${SCRATCH}/build/embedded ${arguments})
  if(NOT output STREQUAL expected)
    message(FATAL_ERROR "embedded ${arguments} printed '${output}', not '${expected}'")
  endif()
endforeach()

# Its own tests, which use the installed test kit.
run(${SCRATCH}/build/orders_test)
if(NOT output MATCHES "\\[  PASSED  \\] 3 tests")
  message(FATAL_ERROR "the example's tests printed '${output}'")
endif()

if(EXISTS ${BUILD}/cli AND NOT EXISTS ${prefix}/bin/evermill)
  message(FATAL_ERROR "the evermill command was not installed")
endif()

# The README's program, as it stands there, with the installed command line.
file(READ ${SOURCE}/README.md readme)
string(FIND "${readme}" "```cpp\n" begin)
string(SUBSTRING "${readme}" ${begin} -1 program)
string(SUBSTRING "${program}" 7 -1 program)
string(FIND "${program}" "```" end)
string(SUBSTRING "${program}" 0 ${end} program)
file(WRITE ${SCRATCH}/orders/main.cpp "${program}")
file(WRITE ${SCRATCH}/orders/CMakeLists.txt
     "cmake_minimum_required(VERSION 3.22)\nproject(orders LANGUAGES CXX)\nfind_package(evermill REQUIRED)\n"
     "add_executable(orders main.cpp)\ntarget_link_libraries(orders PRIVATE evermill::evermill)\n")
run(${CMAKE_COMMAND} -S ${SCRATCH}/orders -B ${SCRATCH}/orders-build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${sanitize})
run(${CMAKE_COMMAND} --build ${SCRATCH}/orders-build)
run(${SCRATCH}/orders-build/orders run --help)
if(NOT output MATCHES "Workflows registered here: fulfil_order")
  message(FATAL_ERROR "the README's program printed '${output}'")
endif()
