/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's memory as an ELF core: what is at which physical address, and the registers of each vCPU in a
 * note of its own, as "crash" and gdb read them. Memory that was never touched is a hole in the file.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "base/file.h"
#include "hv/kvm/vm.h"

#define MAX_LOADS 2
#define CHUNK	  (1u << 20)

struct note {
	Elf64_Nhdr head;
	char name[8];
	struct elf_prstatus status;
};

struct core_head {
	Elf64_Ehdr elf;
	Elf64_Phdr parts[1 + MAX_LOADS];
};

static void fill_note(const struct vk_cpu *cpu, struct note *note)
{
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs r = { 0 };
	unsigned long long *gpr = (unsigned long long *)&note->status.pr_reg;

	ioctl(cpu->fd, KVM_GET_REGS, &r);
	ioctl(cpu->fd, KVM_GET_SREGS, &sregs);
	*note = (struct note){
		.head = { .n_namesz = 5, .n_descsz = sizeof(note->status), .n_type = NT_PRSTATUS },
		.name = "CORE"
	};
	note->status.pr_pid = (pid_t)cpu->nr + 1;
	/* In the order of struct user_regs_struct. */
	memcpy(gpr,
	       (unsigned long long[]){ r.r15,
				       r.r14,
				       r.r13,
				       r.r12,
				       r.rbp,
				       r.rbx,
				       r.r11,
				       r.r10,
				       r.r9,
				       r.r8,
				       r.rax,
				       r.rcx,
				       r.rdx,
				       r.rsi,
				       r.rdi,
				       r.rax,
				       r.rip,
				       sregs.cs.selector,
				       r.rflags,
				       r.rsp,
				       sregs.ss.selector,
				       sregs.fs.base,
				       sregs.gs.base,
				       sregs.ds.selector,
				       sregs.es.selector,
				       sregs.fs.selector,
				       sregs.gs.selector },
	       sizeof(note->status.pr_reg));
}

static uint64_t fill_head(const struct vk_vm *vm, struct core_head *h)
{
	const struct vk_dom *dom = vm->dom;
	uint64_t notes = vm->nr_cpus * sizeof(struct note), at = sizeof(*h) + notes;
	const uint64_t start[MAX_LOADS] = { 0, KVM_LAUNCH_HOLE_END };
	const uint64_t size[MAX_LOADS] = { dom->low_ram, dom->ram - dom->low_ram };

	*h = (struct core_head){
		.elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				      EV_CURRENT },
			 .e_type = ET_CORE,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = offsetof(struct core_head, parts),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1 },
		.parts[0] = { .p_type = PT_NOTE, .p_offset = sizeof(*h), .p_filesz = notes },
	};
	at = (at + VK_PAGE - 1) & ~(uint64_t)(VK_PAGE - 1);
	for (int i = 0; i < MAX_LOADS; i++) {
		if (!size[i])
			continue;
		h->parts[h->elf.e_phnum++] = (Elf64_Phdr){ .p_type = PT_LOAD,
							   .p_flags = PF_R | PF_W | PF_X,
							   .p_offset = at,
							   .p_paddr = start[i],
							   .p_filesz = size[i],
							   .p_memsz = size[i],
							   .p_align = VK_PAGE };
		at += size[i];
	}
	return at;
}

static int write_at(int fd, const void *data, size_t size, uint64_t at)
{
	const uint8_t *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			at += (uint64_t)n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int write_load(const struct vk_dom *dom, int fd, const Elf64_Phdr *part)
{
	uint64_t start = part->p_paddr, end = start + part->p_filesz;

	while (start < end) {
		off_t data = lseek(dom->memory_fd, (off_t)start, SEEK_DATA), hole;
		uint64_t stop;
		int rc = 0;

		if (data < 0 || (uint64_t)data >= end)
			return data < 0 && errno != ENXIO ? -errno : 0;
		hole = lseek(dom->memory_fd, data, SEEK_HOLE);
		stop = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
		for (start = (uint64_t)data; !rc && start < stop; start += CHUNK)
			rc = write_at(fd, dom->memory + start,
				      stop - start < CHUNK ? stop - start : CHUNK,
				      part->p_offset + start - part->p_paddr);
		if (rc < 0)
			return rc;
		start = stop;
	}
	return 0;
}

int vk_dump_core(struct vk_vm *vm, int fd)
{
	struct core_head head;
	uint64_t size = fill_head(vm, &head), last = size - 1;
	int rc = write_at(fd, &head, sizeof(head), 0);

	for (unsigned int i = 0; !rc && i < vm->nr_cpus; i++) {
		struct note note;

		fill_note(&vm->cpu[i], &note);
		rc = write_at(fd, &note, sizeof(note), sizeof(head) + i * sizeof(note));
	}
	/* Its length first, as the end of RAM may be a hole. */
	if (!rc)
		rc = write_at(fd, "", 1, last);
	for (int i = 1; !rc && i < head.elf.e_phnum; i++)
		rc = write_load(vm->dom, fd, &head.parts[i]);
	return rc;
}
