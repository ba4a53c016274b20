# What every compilation here is called with.
set(flags -std=c++20 -Werror=unused-result -Werror=unused-value -I${ROOT} -I${ROOT}/workflow -I${ROOT}/base)
foreach(directory ${INCLUDES})
  list(APPEND flags -isystem ${directory})
endforeach()
