# core/ops/cpu/*.c is compiled once per instruction set; core/ops/dispatch.c picks one at run time.
# No fast-math: NaN, Inf and the order of sums mean what they say. Contraction is off because the
# kernels write their fused multiply-adds themselves, so that no compiler decides per tile whether
# a product is rounded. (No errno and no floating-point traps are used anywhere.)
include(CheckCCompilerFlag)

set(el_isa_list generic)
set(el_isa_flags_generic "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND el_isa_list avx2 avx512)
  set(el_isa_flags_avx2 -mavx2 -mfma)
  set(el_isa_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
    -mprefer-vector-width=512)
endif()

file(GLOB el_cpu_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/ops/cpu/*.c)
if(EL_FUZZ) # kernels read no outside data, and instrumented they take clang ten minutes each
  set_source_files_properties(${el_cpu_sources} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
elseif(EL_SANITIZE MATCHES address) # core/ops/cpu/panel.c checks what it touches
  set_source_files_properties(${CMAKE_SOURCE_DIR}/core/ops/cpu/tile.c PROPERTIES COMPILE_OPTIONS
    -fno-sanitize=address)
endif()
foreach(isa IN LISTS el_isa_list)
  add_library(el_ops_${isa} OBJECT ${el_cpu_sources})
  target_link_libraries(el_ops_${isa} PRIVATE el_flags OpenMP::OpenMP_C)
  target_compile_options(el_ops_${isa} PRIVATE -O3 -ffp-contract=off -fno-math-errno
    -fno-trapping-math ${el_isa_flags_${isa}})
  target_compile_definitions(el_ops_${isa} PRIVATE EL_ISA=${isa})
  target_sources(el_ops PRIVATE $<TARGET_OBJECTS:el_ops_${isa}>)
endforeach()

# Kernels for single instructions of x86, chosen by core/ops/dispatch.c.
if("avx512" IN_LIST el_isa_list)
  add_library(el_ops_x86 OBJECT core/ops/x86/bf16_amx.c core/ops/x86/bf16_avx512.c)
  target_link_libraries(el_ops_x86 PRIVATE el_flags)
  target_compile_options(el_ops_x86 PRIVATE -O3 -ffp-contract=off -mavx512f)
  set_source_files_properties(core/ops/x86/bf16_amx.c PROPERTIES COMPILE_OPTIONS
    "-mamx-tile;-mamx-bf16")
  set_source_files_properties(core/ops/x86/bf16_avx512.c PROPERTIES COMPILE_OPTIONS -mavx512bf16)
  target_sources(el_ops PRIVATE $<TARGET_OBJECTS:el_ops_x86>)
endif()
