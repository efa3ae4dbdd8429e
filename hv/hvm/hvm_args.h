/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's command line for an hvm domain: a pure function of domain.create's config (docs/design.md
 * section 10) and what its caller says of the host.
 *
 * No path nor other free text of the config gets into an option that QEMU takes apart: files, TAPs
 * and QMP are descriptors, under numbers given here; what remains is numbers, words of tables here
 * and names that are checked to have no comma. The kernel's command line is an argument of its own.
 */
#ifndef HV_HVM_ARGS_H
#define HV_HVM_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "hv/engine.h"

#define HVM_FD_QMP    3
#define HVM_FD_FIRST  16 /* of files and TAPs, one after another; a CD drive keeps its number */
#define HVM_MAX_ARGS  256
#define HVM_MAX_DISKS 16
#define HVM_MAX_FILES (HVM_MAX_DISKS + 2)
#define HVM_MAX_NICS  8
#define HVM_MAX_VCPUS 64
#define HVM_QEMU      "/usr/bin/qemu-system-x86_64"

struct hvm_host {
	bool kvm;	     /* /dev/kvm is usable */
	uint16_t domid;	     /* of the TAPs' names; 0: not known yet */
	const char *console; /* the terminal that a serial port is to be connected to */
	/* Whether @path is a block device, which QEMU takes by another driver. NULL: none is. */
	bool (*is_device)(const char *path);
};

/* To be opened and to be at @fd of QEMU's. */
struct hvm_file {
	int fd;
	bool writable;
	bool copy; /* QEMU opens it once more by itself: give it a copy that its user may read */
	const char *path;
};

struct hvm_nic {
	int fd; /* of the TAP; -1: it is plugged in by QMP, and its frames are vifrost-netback's */
	char mac[18];		 /* "": QEMU's own */
	unsigned int devid, mtu; /* 0: 1500 */
	bool vnet_hdr, vhost;
	const char *device; /* QEMU's driver */
	char name[16];
};

struct hvm_vnc {
	bool on, search; /* from @display up, until one is free */
	unsigned int display;
	char address[64];
	const char *password; /* NULL: none */
};

struct hvm_args {
	const char *program;
	char *argv[HVM_MAX_ARGS]; /* ended by NULL */
	unsigned int nr_args;
	char *env[3];
	unsigned int nr_env;
	struct hvm_file files[HVM_MAX_FILES];
	unsigned int nr_files;
	struct hvm_nic nics[HVM_MAX_NICS];
	unsigned int nr_nics;
	bool has_vhost; /* of nics: told to run only when they are plugged in */
	struct hvm_vnc vnc;
	int next_fd;
};

/**
 * hvm_args_build() - From a config to QEMU's arguments
 * @paused:	It is to wait for "cont"
 * @args:	Filled; its texts are its own or @config's; hvm_args_fini() in any case
 * @why:	On -EINVAL the key, the cause and what is allowed
 * Return: 0; -EINVAL; -ENOMEM.
 */
int hvm_args_build(const json_t *config, const struct hvm_host *host, bool paused,
		   struct hvm_args *args, char why[ENGINE_WHY]);
void hvm_args_fini(struct hvm_args *args);
/* One card of vif=, for a machine that runs. As hvm_args_build(). */
int hvm_nic_read(const json_t *vif, const struct hvm_host *host, struct hvm_nic *nic,
		 char why[ENGINE_WHY]);

/* A disk for a machine that runs. Its nodes are ID-node and, beneath, ID-file. */
struct hvm_plug {
	char id[32];
	const char *driver, *path;
	bool read_only, shared;
	int scsi_id; /* -1: a virtio disk */
};

/* As hvm_nic_read(). */
int hvm_plug_read(const json_t *disk, struct hvm_plug *plug, char why[ENGINE_WHY]);

/* The id of a CD drive's device and the driver of a format, for QMP. NULL: there is none such. */
const char *hvm_disk_driver(const char *format);
bool hvm_disk_is_cdrom(const json_t *disk);
void hvm_disk_id(const json_t *disk, char id[32]);

#endif
