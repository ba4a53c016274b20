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

if(EXISTS ${BUILD}/cli AND NOT EXISTS ${prefix}/bin/evermill)
  message(FATAL_ERROR "the evermill command was not installed")
endif()
