# cli/cmd_<name>.c provides the subcommand <name>: adding a file adds a command. Their list becomes
# the header cli_commands.h of the build tree; everything but main() is a library for the tests.
file(GLOB cli_sources CONFIGURE_DEPENDS cli/*.c)
list(REMOVE_ITEM cli_sources ${CMAKE_SOURCE_DIR}/cli/main.c)
file(GLOB cli_commands CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/cli cli/cmd_*.c)
set(cli_list "")
foreach(file ${cli_commands})
  string(REGEX REPLACE "^cmd_(.*)\\.c$" "\\1" name ${file})
  string(APPEND cli_list " X(${name})")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/cli/cli_commands.h
  CONTENT "#define CLI_COMMANDS(X)@cli_list@\n" @ONLY)

add_library(el_cli STATIC ${cli_sources})
target_link_libraries(el_cli PUBLIC el_flags el_rl el_training el_refine el_data el_roles el_bench
  el_run el_train el_model)
target_include_directories(el_cli PUBLIC ${CMAKE_BINARY_DIR}/cli)
target_compile_definitions(el_cli PRIVATE EL_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
  EL_VERSION="${PROJECT_VERSION}")

add_executable(elenchus cli/main.c)
target_link_libraries(elenchus PRIVATE el_cli)
target_compile_definitions(elenchus PRIVATE EL_VERSION="${PROJECT_VERSION}")
