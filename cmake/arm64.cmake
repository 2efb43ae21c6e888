# Cross-compiles for arm64 Linux with Debian's gcc-aarch64-linux-gnu, against the packages in
# EL_ARM64_ROOT, and runs tests under qemu-user; scripts/arm64 prepares both.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EL_ARM64_ROOT)
set(CMAKE_SYSROOT ${EL_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH ${EL_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${EL_ARM64_ROOT})
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${EL_ARM64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR}
  ${EL_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${EL_ARM64_ROOT}/usr/share/pkgconfig)
