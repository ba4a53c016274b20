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

# What the other public headers have, and a plugin of activities.
file(COPY ${SOURCE}/tests/install/consumer DESTINATION ${SCRATCH})
run(${CMAKE_COMMAND} -S ${SCRATCH}/consumer -B ${SCRATCH}/consumer-build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${sanitize})
run(${CMAKE_COMMAND} --build ${SCRATCH}/consumer-build)
run(${SCRATCH}/consumer-build/consumer ${SCRATCH}/consumer-build/libgreetings.so)
if(NOT output STREQUAL "script\nhello you\nnobody there")
  message(FATAL_ERROR "the consumer printed '${output}'")
endif()
file(GLOB_RECURSE notify ${prefix}/libevermill_notify.so)
if(NOT notify)
  message(FATAL_ERROR "the plugin notify was not installed")
endif()

# A plugin, and the installed command that loads it.
if(SQLITE)
  file(COPY ${SOURCE}/examples/sqlite_queue DESTINATION ${SCRATCH})
  run(${CMAKE_COMMAND} -S ${SCRATCH}/sqlite_queue -B ${SCRATCH}/sqlite-build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
      -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${sanitize})
  run(${CMAKE_COMMAND} --build ${SCRATCH}/sqlite-build)
  execute_process(COMMAND ${prefix}/bin/evermill list --plugin ${SCRATCH}/sqlite-build/libsqlite_queue.so --queue
                          sqlite://${SCRATCH}/queue.db ERROR_VARIABLE said)
  if(NOT said MATCHES "there is no cluster at sqlite:")
    message(FATAL_ERROR "with the plugin, evermill printed '${said}'")
  endif()
endif()

if(EXISTS ${BUILD}/cli AND NOT EXISTS ${prefix}/bin/evermill)
  message(FATAL_ERROR "the evermill command was not installed")
endif()

# The manual page and completions, which name the command as it is called.
if(EXISTS ${BUILD}/cli)
  file(GLOB page ${prefix}/share/man/man1/evermill.1)
  if(NOT page)
    message(FATAL_ERROR "the manual page was not installed")
  endif()
  file(READ ${page} text)
  if(NOT text MATCHES "^[.]TH EVERMILL 1" OR text MATCHES "${BUILD}")
    message(FATAL_ERROR "${page} is not the manual page of the installed command")
  endif()
  foreach(file bash-completion/completions/evermill zsh/site-functions/_evermill fish/vendor_completions.d/evermill.fish)
    file(READ ${prefix}/share/${file} text)
    if(NOT text MATCHES "describe" OR text MATCHES "${BUILD}")
      message(FATAL_ERROR "${prefix}/share/${file} does not complete the installed command's lines")
    endif()
  endforeach()
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
