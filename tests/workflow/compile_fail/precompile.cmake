# Compiles the header that all sources here include, once; it would be most of each one's time. GCC and clang both find
# NAME.gch where they are told to -include NAME.
include(${CMAKE_CURRENT_LIST_DIR}/flags.cmake)
file(MAKE_DIRECTORY ${PRECOMPILED})
file(WRITE ${PRECOMPILED}/all.hpp "#include \"evermill/registry.hpp\"\n")
execute_process(COMMAND ${COMPILER} ${flags} -x c++-header ${PRECOMPILED}/all.hpp -o ${PRECOMPILED}/all.hpp.gch
                RESULT_VARIABLE status ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${output}")
endif()
