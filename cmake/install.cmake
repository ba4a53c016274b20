# cmake --install: libraries, public headers, the command, and what find_package(evermill) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(evermill_libraries GLOBAL PROPERTY EVERMILL_LIBRARIES)
set(evermill_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/evermill)

# evermill::evermill: everything that a program which embeds the engine links.
add_library(evermill_umbrella INTERFACE)
add_library(evermill::evermill ALIAS evermill_umbrella)
set_target_properties(evermill_umbrella PROPERTIES EXPORT_NAME evermill)
foreach(library workflow engine interpreter task_secrets task_shell task_script task_docker task_http task_lambda task_grpc task_kafka client cli)
  if(TARGET evermill_${library})
    target_link_libraries(evermill_umbrella INTERFACE evermill::${library})
  endif()
endforeach()

foreach(library ${evermill_libraries})
  string(REGEX REPLACE "^evermill_" "" exported_name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${exported_name})
  get_target_property(library_source_dir ${library} SOURCE_DIR)
  if(IS_DIRECTORY ${library_source_dir}/evermill)
    install(DIRECTORY ${library_source_dir}/evermill DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
  endif()
endforeach()
install(TARGETS ${evermill_libraries} evermill_plugin_headers evermill_umbrella EXPORT evermill_targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS evermill_notify LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/evermill)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/plugins/notify/evermill DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
install(TARGETS evermill_source_version EXPORT evermill_targets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(program evermill evermill_program)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

if(TARGET evermill_shell_files)
  install(FILES ${PROJECT_BINARY_DIR}/cli/evermill.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_BINARY_DIR}/cli/evermill.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME evermill)
  install(FILES ${PROJECT_BINARY_DIR}/cli/_evermill DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${PROJECT_BINARY_DIR}/cli/evermill.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

install(EXPORT evermill_targets FILE evermillTargets.cmake NAMESPACE evermill:: DESTINATION ${evermill_config_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/evermill-config.cmake.in
                              ${PROJECT_BINARY_DIR}/evermillConfig.cmake INSTALL_DESTINATION ${evermill_config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/evermillConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/evermillConfig.cmake ${PROJECT_BINARY_DIR}/evermillConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindCAF.cmake ${PROJECT_SOURCE_DIR}/cmake/source-version.cmake
        DESTINATION ${evermill_config_dir})
