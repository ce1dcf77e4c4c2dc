# Libraries come from Debian packages (tools/dev.d/setup.sh lists them); librdkafka is built by ./dev setup where the
# system's own is older than 2.8.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(GTest REQUIRED)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(MARIADB REQUIRED IMPORTED_TARGET libmariadb)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(NATS REQUIRED IMPORTED_TARGET libnats) # tests read streams with it
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)

# SpiderMonkey, for the JavaScript processor alone.
option(DELTAFORGE_JAVASCRIPT "Build the javascript processor (needs libmozjs-102-dev)" ON)
if(DELTAFORGE_JAVASCRIPT)
  pkg_check_modules(MOZJS REQUIRED IMPORTED_TARGET mozjs-102)
  add_library(df_mozjs INTERFACE)
  # It has an abort() and a getenv() of its own, which must not be ours: the C library comes before it.
  target_link_libraries(df_mozjs INTERFACE -l:libc.so.6 PkgConfig::MOZJS)
  # Its roots are a list through the stack; g++ takes them for pointers that are left behind.
  target_compile_options(df_mozjs INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-pointer>)
endif()

# DF_RDKAFKA_ROOT: where ./dev setup installed its own build.
set(DF_RDKAFKA_ROOT "$ENV{HOME}/.cache/deltaforge/librdkafka" CACHE PATH "librdkafka built by ./dev setup")
add_library(df_rdkafka INTERFACE)
if(EXISTS ${DF_RDKAFKA_ROOT}/lib/librdkafka.a)
  pkg_check_modules(RDKAFKA_DEPS REQUIRED IMPORTED_TARGET libzstd liblz4 libsasl2 zlib)
  target_include_directories(df_rdkafka SYSTEM INTERFACE ${DF_RDKAFKA_ROOT}/include)
  target_link_libraries(df_rdkafka INTERFACE ${DF_RDKAFKA_ROOT}/lib/librdkafka.a PkgConfig::RDKAFKA_DEPS
                                             OpenSSL::SSL OpenSSL::Crypto Threads::Threads dl m)
else()
  pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka>=2.8)
  if(NOT RDKAFKA_FOUND)
    message(FATAL_ERROR "librdkafka >= 2.8 not found: run ./dev setup, which builds it")
  endif()
  target_link_libraries(df_rdkafka INTERFACE PkgConfig::RDKAFKA)
endif()
