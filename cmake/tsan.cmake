# ThreadSanitizer with GCC's OpenMP: the functions through which generated code enters the runtime
# are wrapped by tests/tsan/openmp.c. A construct that enters by another function would be reported
# as a race that is none; tests/tsan has one program for each construct in use.
if(EL_SANITIZE MATCHES thread)
  add_library(el_tsan OBJECT tests/tsan/openmp.c)
  foreach(f parallel barrier loop_end critical_start critical_end)
    list(APPEND wraps -Wl,--wrap=GOMP_${f})
  endforeach()
  target_link_options(el_ops INTERFACE ${wraps})
  target_link_libraries(el_ops INTERFACE $<TARGET_OBJECTS:el_tsan> OpenMP::OpenMP_C)
endif()
