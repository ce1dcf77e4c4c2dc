# Warnings are errors; release is hardened.
set(DF_SANITIZE "" CACHE STRING "Sanitizers, for example address,undefined")
option(DF_HARDEN "Hardened release flags" OFF)
option(DF_FUZZ "Instrument everything for libFuzzer (clang)" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-missing-field-initializers)
else()
  add_compile_options(-Wno-missing-field-initializers)
endif()

if(DF_SANITIZE)
  add_compile_options(-fsanitize=${DF_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DF_SANITIZE})
endif()
if(DF_SANITIZE MATCHES "undefined")
  add_compile_options(-fno-sanitize-recover=undefined)
endif()

if(DF_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(DF_HARDEN)
  add_compile_options(-D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
                      -fcf-protection=full -fno-delete-null-pointer-checks -Wformat=2)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code)
endif()

find_program(DF_CCACHE ccache)
if(DF_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
                                  ${DF_CCACHE})
endif()
find_program(DF_MOLD mold)
if(DF_MOLD AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_link_options(-fuse-ld=mold)
endif()
