/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin for QEMU's translator: the instructions that its CPU has executed so far, as the first eight
 * bytes of the file out=FILE. A repetition of a string instruction counts as one each. What it needs of
 * QEMU's interface, version 1, is declared here: Debian has no package with the header.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT	       __attribute__((visibility("default")))
#define INLINE_ADD_U64 0

struct qemu_plugin_tb;
typedef void (*translated)(uint64_t plugin, struct qemu_plugin_tb *tb);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, translated callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t n);

EXPORT int qemu_plugin_version = 1;
static uint64_t *executed;

static void on_translated(uint64_t plugin, struct qemu_plugin_tb *tb)
{
	(void)plugin;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, executed,
						 qemu_plugin_tb_n_insns(tb));
}

EXPORT int qemu_plugin_install(uint64_t plugin, const void *info, int argc, char **argv)
{
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0)
		return -1;
	fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*executed)))
		return -1;
	executed = mmap(NULL, sizeof(*executed), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (executed == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(plugin, on_translated);
	return 0;
}
