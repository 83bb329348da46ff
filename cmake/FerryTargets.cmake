# What every target of ours has in common: include root, warnings, sanitizers.
add_library(ferry_common INTERFACE)
target_include_directories(ferry_common INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(ferry_common INTERFACE _GNU_SOURCE FERRY_VERSION="${PROJECT_VERSION}")
target_compile_options(ferry_common INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Werror>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Werror>
  -fno-strict-aliasing -fvisibility=hidden -fno-omit-frame-pointer)
target_link_libraries(ferry_common INTERFACE pthread)
if(FERRY_SANITIZE)
  target_compile_options(ferry_common INTERFACE
    -fsanitize=${FERRY_SANITIZE} -fno-sanitize-recover=all -g)
  target_link_options(ferry_common INTERFACE -fsanitize=${FERRY_SANITIZE})
endif()

# ferry_room(NAME SOURCES...): a static library of one room, linked as ferry_NAME.
function(ferry_room name)
  add_library(ferry_${name} STATIC ${ARGN})
  target_link_libraries(ferry_${name} PUBLIC ferry_common)
endfunction()

# ferry_test_environment(NAME): what a test finds in its environment. A sanitizer writes into a folder
# that ./check looks through afterwards: Criterion lets a test pass although it leaked.
function(ferry_test_environment name)
  set(asan_options abort_on_error=1)
  if(FERRY_SANITIZE)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/sanitizer-logs)
    string(APPEND asan_options ":log_path=${CMAKE_BINARY_DIR}/sanitizer-logs/${name}")
  endif()
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "ASAN_OPTIONS=${asan_options};FERRY_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

# ferry_unit_test(NAME SOURCES... LIBRARIES libs...): a Criterion test program, run by ctest.
function(ferry_unit_test name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES" ${ARGN})
  if(FERRY_SANITIZE MATCHES "thread")
    return() # Criterion does not start under ThreadSanitizer; thread tests are plain programs
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ferry_common criterion)
  add_test(NAME ${name} COMMAND ${name} --timeout 120)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS unit)
  ferry_test_environment(${name})
endfunction()

# ferry_plain_test(NAME SOURCES... LIBRARIES libs...): a test with its own main(), run by ctest.
function(ferry_plain_test name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ferry_common)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS plain)
  ferry_test_environment(${name})
endfunction()
