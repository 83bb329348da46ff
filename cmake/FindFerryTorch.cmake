# Finds libtorch: $FERRY_TORCH (an unpacked libtorch, or the folder of an installed torch package), else
# the torch package in .venv. Defines the target ferry_libtorch (libtorch_cpu and libc10: the CUDA
# library is opened at run time where a CUDA device is asked for) and FERRY_TORCH_FOLDER.
set(FERRY_TORCH_LEAST 2.11)
set(FERRY_TORCH_FOLDER "${FERRY_TORCH}")
if(NOT FERRY_TORCH_FOLDER)
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  if(candidates)
    list(GET candidates 0 FERRY_TORCH_FOLDER)
  endif()
endif()
if(NOT EXISTS "${FERRY_TORCH_FOLDER}/lib/libtorch_cpu.so")
  if(FERRY_TORCH)
    set(reason "FERRY_TORCH is '${FERRY_TORCH}', which has no lib/libtorch_cpu.so.")
  else()
    set(reason "There is no torch package in ${CMAKE_SOURCE_DIR}/.venv and FERRY_TORCH is not set.")
  endif()
  message(FATAL_ERROR "libtorch was not found. ${reason}\n"
    "Do one of these:\n"
    "  ./try                        installs everything, torch included, into .venv\n"
    "  cmake -DFERRY_TORCH=DIR ...  DIR is an unpacked libtorch or a torch package (>= ${FERRY_TORCH_LEAST})\n"
    "  cmake -DFERRY_WITH_TORCH=OFF ...  builds everything else (preset no-torch)")
endif()

file(STRINGS "${FERRY_TORCH_FOLDER}/include/torch/headeronly/version.h" version_lines
  REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
string(REGEX MATCHALL "[0-9]+" version_numbers "${version_lines}")
list(JOIN version_numbers "." FERRY_TORCH_VERSION)
if(FERRY_TORCH_VERSION VERSION_LESS FERRY_TORCH_LEAST)
  message(FATAL_ERROR "libtorch in ${FERRY_TORCH_FOLDER} is version '${FERRY_TORCH_VERSION}'; "
    "ferry needs ${FERRY_TORCH_LEAST} or later.")
endif()
message(STATUS "libtorch ${FERRY_TORCH_VERSION}: ${FERRY_TORCH_FOLDER}")

file(GLOB nvidia_folders ${FERRY_TORCH_FOLDER}/../nvidia/*/lib)
add_library(ferry_libtorch INTERFACE)
target_include_directories(ferry_libtorch SYSTEM INTERFACE
  ${FERRY_TORCH_FOLDER}/include ${FERRY_TORCH_FOLDER}/include/torch/csrc/api/include)
target_link_directories(ferry_libtorch INTERFACE ${FERRY_TORCH_FOLDER}/lib)
target_link_options(ferry_libtorch INTERFACE LINKER:--no-as-needed
  LINKER:-rpath,${FERRY_TORCH_FOLDER}/lib)
foreach(folder ${nvidia_folders})
  target_link_options(ferry_libtorch INTERFACE LINKER:-rpath-link,${folder})
endforeach()
target_link_libraries(ferry_libtorch INTERFACE torch_cpu c10)
