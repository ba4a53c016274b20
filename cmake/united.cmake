# Templates that several sources of a target use are made once per group of sources, which takes half the time on two cores. A
# source stands alone all the same: clang's presets compile each by itself.
option(EVERMILL_UNITED_SOURCES "Compile several sources of a target at once" ON)

set(evermill_group_size 6)
# Sources with hooks for planted bugs are never united with others, so that tests/planted can stand in for them.
set(evermill_hooked_engine_sources
    actors/committer_actor.cpp actors/instance_actor.cpp actors/partition.cpp actors/partition_attempts.cpp
    actors/partition_deadlines.cpp actors/partition_publishing.cpp actors/partition_recovery.cpp actors/partition_runs.cpp actors/partition_timers.cpp
    actors/partition_turns.cpp messages/record.cpp storage/description.cpp storage/log_tail.cpp storage/rocksdb_store.cpp
    workflow/decider.cpp)
set(evermill_hooked_log_sources cluster/partition_log.cpp cluster/snapshot.cpp storage/log_judge.cpp)
list(TRANSFORM evermill_hooked_engine_sources PREPEND ${PROJECT_SOURCE_DIR}/)
list(TRANSFORM evermill_hooked_log_sources PREPEND ${PROJECT_SOURCE_DIR}/)
set(evermill_hooked_sources ${evermill_hooked_engine_sources} ${evermill_hooked_log_sources})

# evermill_unite(TARGET): groups TARGET's sources. Call it where TARGET is made.
function(evermill_unite target)
  if(NOT EVERMILL_UNITED_SOURCES)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # A coroutine that keeps something of an anonymous namespace in its frame, which is fine in a source, is a mistake in a header:
  # GCC takes the united sources for headers.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  get_target_property(sources ${target} SOURCES)
  foreach(kind hooked other)
    set(${kind} 0)
  endforeach()
  foreach(source ${sources})
    get_filename_component(path ${source} ABSOLUTE)
    set(kind other)
    if(path IN_LIST evermill_hooked_sources)
      set(kind hooked)
    endif()
    math(EXPR group "${${kind}} / ${evermill_group_size}")
    math(EXPR ${kind} "${${kind}} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${kind}_${group})
  endforeach()
endfunction()
