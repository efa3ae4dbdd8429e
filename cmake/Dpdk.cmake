# SPDX-License-Identifier: GPL-2.0-or-later
# DPDK for programs (vifrost_dpdk) and our drivers, netback/pmd_*.c: objects for tests (vf_pmd), and the plug-in
# lib/librte_net_xenvif.so, which any DPDK program loads. What drivers include beyond libdpdk-dev is in the cache.

pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk)
set(VIFROST_DPDK_HEADERS "" CACHE PATH "Folder of DPDK's driver headers; empty: look into the cache")
set(places ${VIFROST_DPDK_HEADERS})
foreach(cache $ENV{VIFROST_CACHE_DIR} $ENV{XDG_CACHE_HOME}/vifrost $ENV{HOME}/.cache/vifrost
	/root/.cache/vifrost /var/cache/vifrost)
	list(APPEND places ${cache}/dpdk-${DPDK_VERSION})
endforeach()
find_path(headers bus_vdev_driver.h PATHS ${places} NO_DEFAULT_PATH NO_CACHE)
if(NOT headers)
	message(FATAL_ERROR "The driver headers of DPDK ${DPDK_VERSION} are not there. libdpdk-dev lacks them: run "
		"'scripts/install-deps build', which takes them from its source (looked in: ${places})")
endif()

# Interrupt handles, which no driver is without, are experimental still. Its headers warn, and its flags ask for a processor that its libraries were built for anyway.
add_library(vifrost_dpdk INTERFACE)
target_include_directories(vifrost_dpdk SYSTEM INTERFACE ${headers} ${DPDK_INCLUDE_DIRS})
target_compile_options(vifrost_dpdk INTERFACE "SHELL:-include rte_config.h" -march=corei7)
target_compile_definitions(vifrost_dpdk INTERFACE ALLOW_INTERNAL_API ALLOW_EXPERIMENTAL_API)
# ThreadSanitizer sees no lock that is written in assembly.
if(VIFROST_SANITIZE STREQUAL "thread")
	target_compile_definitions(vifrost_dpdk INTERFACE RTE_FORCE_INTRINSICS RTE_USE_C11_MEM_MODEL)
endif()
target_link_options(vifrost_dpdk INTERFACE ${DPDK_LDFLAGS_OTHER})
# pkg-config leaves the bus out that devices without hardware are on.
target_link_libraries(vifrost_dpdk INTERFACE -Wl,--as-needed ${DPDK_LINK_LIBRARIES} -lrte_bus_vdev)

function(vifrost_pmd)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/netback/pmd_*.c)
	add_library(vf_pmd OBJECT ${sources})
	target_compile_options(vf_pmd PRIVATE -fvisibility=hidden)
	target_link_libraries(vf_pmd PUBLIC vf_netback vifrost_dpdk)
	# A fuzzer's runtime is in no program that loads plug-ins.
	if(VIFROST_FUZZ)
		return()
	endif()
	# Programs that load it may have functions of the same names as ours, or as jansson's.
	add_library(rte_net_xenvif MODULE)
	target_link_libraries(rte_net_xenvif PRIVATE vf_pmd -Wl,--exclude-libs,ALL)
	set_target_properties(rte_net_xenvif PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
	if(NOT VIFROST_SANITIZE)
		target_link_options(rte_net_xenvif PRIVATE -Wl,-z,defs)
	endif()
endfunction()
