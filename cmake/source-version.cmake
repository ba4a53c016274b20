# evermill_source_version(TARGET NAME SOURCES file…): a version that changes with these files and with nothing else.
#
# Makes <evermill_version/NAME.hpp> for TARGET, which defines NAME_version, a text:
#
#   evermill_source_version(orders fulfil_order SOURCES fulfil_order.cpp fulfil_order.hpp)
#
#   #include <evermill_version/fulfil_order.hpp>
#   registry.add("fulfil_order", fulfil_order, {.version = fulfil_order_version});
#
# It is a MurmurHash3 of the files' bytes. NAME must be a C++ identifier.
function(evermill_source_version target name)
  cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
  if(NOT name MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "evermill_source_version: \"${name}\" is no C++ identifier")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "evermill_source_version(${target} ${name}): no SOURCES were given")
  endif()
  set(files)
  foreach(source ${arg_SOURCES})
    get_filename_component(path ${source} ABSOLUTE)
    list(APPEND files ${path})
  endforeach()
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/evermill_version_of_${target})
  set(header ${directory}/evermill_version/${name}.hpp)
  add_custom_command(
    OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}/evermill_version
    COMMAND evermill::evermill_source_version ${name} ${files} > ${header}
    DEPENDS ${files}
    COMMENT "version of ${name}" VERBATIM)
  target_sources(${target} PRIVATE ${header})
  target_include_directories(${target} PRIVATE ${directory})
endfunction()
