# SPDX-License-Identifier: GPL-2.0-or-later
# libopenvswitch, static, as scripts/install-deps build leaves it in the cache. It is not instrumented in
# sanitizers' builds. Its headers' names (util.h, list.h) are so common that only its own files see them.

set(VIFROST_OPENVSWITCH "" CACHE PATH "Folder of libopenvswitch: include/, lib/; empty: look into the cache")
set(places ${VIFROST_OPENVSWITCH})
foreach(cache $ENV{VIFROST_CACHE_DIR} $ENV{XDG_CACHE_HOME}/vifrost $ENV{HOME}/.cache/vifrost
	/root/.cache/vifrost /var/cache/vifrost)
	list(APPEND places ${cache}/libopenvswitch-3)
endforeach()
find_library(library libopenvswitch.a PATHS ${places} PATH_SUFFIXES lib NO_DEFAULT_PATH NO_CACHE)
if(NOT library)
	message(FATAL_ERROR "libopenvswitch is not there. Debian has no package of it: run "
		"'scripts/install-deps build', which makes it of openvswitch-source (looked in: ${places})")
endif()
cmake_path(GET library PARENT_PATH dir)
cmake_path(GET dir PARENT_PATH dir)
add_library(vifrost_openvswitch INTERFACE)
target_link_libraries(vifrost_openvswitch INTERFACE ${library} Threads::Threads m rt)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/vswitch/ovsdb*.c)
set_source_files_properties(${sources} PROPERTIES
	COMPILE_OPTIONS "-isystem;${dir}/include;-isystem;${dir}/lib")
