/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A running domain's memory in rounds, over a pipe, while pages are written to: what comes out is what it is at the end. */
#include "hv/kvm/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/memory.h>

#include "tests/util/vk_rig.h"

#define NR_PAGES ((uint64_t)VK_RIG_MIB << 8)
#define NR_WORDS (NR_PAGES / 64)

/* KVM's log, which a machine without KVM has not: this program has its own hv/kvm/dirty.c. */
static struct {
	bool on;
	int fail;
	unsigned int starts, stops;
	uint64_t noted[NR_WORDS];
} kvm;

int vk_dirty_start(struct vk_vm *vm)
{
	(void)vm;
	kvm.on = true;
	kvm.starts++;
	memset(kvm.noted, 0xff, sizeof(kvm.noted));
	return 0;
}

void vk_dirty_stop(struct vk_vm *vm)
{
	(void)vm;
	kvm.on = false;
	kvm.stops++;
}

/* Of RAM alone, which @bits has room for. */
int vk_dirty_get(struct vk_vm *vm, uint64_t *bits)
{
	for (size_t i = 0; i < vm->dom->ram / VK_PAGE / 64; i++)
		bits[i] |= kvm.noted[i];
	return kvm.fail;
}

int vk_dirty_clear(struct vk_vm *vm, uint64_t first, uint64_t nr, const uint64_t *bits)
{
	(void)vm;
	assert_int_equal(first % 64, 0);
	assert_int_equal(nr % 64, 0);
	assert_true(first + nr <= NR_PAGES);
	for (uint64_t i = 0; i < nr / 64; i++)
		kvm.noted[first / 64 + i] &= ~bits[i];
	return 0;
}

struct fixture {
	struct vk_rig from, to;
	struct vk_vm vm_from, vm_to;
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     VK_MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];
	} cpuid[2];
	struct loop *loop;
	struct vk_copy *copy;
	int pipe[2], image;
	unsigned int nr_done;
	int rc;
	uint64_t clock_ns;
	char why[KVM_LAUNCH_WHY];
};

static void make(struct vk_rig *rig, struct vk_vm *vm, void *cpuid)
{
	vk_rig_create(rig);
	memset(vm, 0, sizeof(*vm));
	vm->fd = vm->kvm_fd = vm->cpu[0].fd = -1;
	vm->dom = rig->dom;
	vm->launch = rig->launch;
	vm->cpuid = cpuid;
}

static int create(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	memset(&kvm, 0, sizeof(kvm));
	make(&f.from, &f.vm_from, &f.cpuid[0]);
	make(&f.to, &f.vm_to, &f.cpuid[1]);
	f.vm_from.memmap[0] = (struct builder_range){ 0, VK_RIG_MIB << 20, 1 };
	f.from.dom->memmap = f.vm_from.memmap;
	f.from.dom->nr_memmap = 1;
	f.image = memfd_create("image", MFD_CLOEXEC);
	*state = &f;
	return loop_create(&f.loop) || f.image < 0 || pipe2(f.pipe, O_CLOEXEC | O_NONBLOCK);
}

static int destroy(void **state)
{
	struct fixture *f = *state;

	vk_copy_end(f->copy);
	if (f->pipe[0] >= 0)
		close(f->pipe[0]);
	close(f->image);
	loop_destroy(f->loop);
	vk_rig_destroy(&f->from);
	vk_rig_destroy(&f->to);
	return 0;
}

static void done(void *arg, int rc)
{
	struct fixture *f = arg;

	f->nr_done++;
	f->rc = rc;
}

static void start(struct fixture *f)
{
	struct vk_copy_params params = {
		.vm = &f->vm_from, .loop = f->loop, .fd = f->pipe[1], .done = done, .arg = f
	};

	assert_int_equal(vk_copy_start(&params, &f->copy), 0);
	assert_true(kvm.on);
	assert_int_equal(f->from.dom->dirty->on, 1);
}

/* Who reads the pipe has it in a file. */
static void drain(struct fixture *f)
{
	static uint8_t data[65536];
	ssize_t n;

	while ((n = read(f->pipe[0], data, sizeof(data))) > 0)
		assert_int_equal(write(f->image, data, (size_t)n), n);
}

/* As a vCPU. */
static void guest_writes(struct fixture *f, uint64_t page, uint8_t value)
{
	memset(f->from.dom->memory + page * VK_PAGE, value, VK_PAGE);
	kvm.noted[page / 64] |= 1ull << page % 64;
}

/* As a backend, or a hypercall. */
static void host_writes(struct fixture *f, uint64_t page, uint8_t value)
{
	memset(f->from.dom->memory + page * VK_PAGE, value, VK_PAGE);
	vk_dirtied(f->from.dom, page * VK_PAGE);
}

static void run(struct fixture *f, void (*meanwhile)(struct fixture *f, unsigned int turn))
{
	for (unsigned int turn = 0; !f->nr_done; turn++) {
		assert_true(turn < 100000);
		assert_true(loop_turn(f->loop, 1000) >= 0);
		if (meanwhile)
			meanwhile(f, turn);
		drain(f);
	}
}

/* As after the suspend. */
static void finish(struct fixture *f)
{
	char more;

	drain(f);
	assert_int_equal(vk_copy_finish(f->copy, f->image), 0);
	/* Its end is seen, and KVM has not been kept waiting for. */
	assert_int_equal(read(f->pipe[0], &more, 1), 0);
	assert_true(kvm.on);
	assert_int_equal(lseek(f->image, 0, SEEK_SET), 0);
	assert_int_equal(vk_image_restore(&f->vm_to, f->image, &f->clock_ns, f->why), 0);
	assert_memory_equal(f->from.dom->memory, f->to.dom->memory, f->from.dom->ram);
	vk_copy_end(f->copy);
	f->copy = NULL;
	assert_false(kvm.on);
	assert_int_equal(f->from.dom->dirty->on, 0);
}

static void sometimes(struct fixture *f, unsigned int turn)
{
	if (turn == 3) {
		guest_writes(f, 7, 0x11);
		guest_writes(f, 900, 0x12);
		host_writes(f, 901, 0x13);
		guest_writes(f, 5, 0); /* zero by now, and was not */
	}
}

static void test_rounds(void **state)
{
	struct fixture *f = *state;
	const struct kvm_launch_copy *said = &f->from.launch->copy;

	for (uint64_t page = 2; page < 300; page++)
		memset(f->from.dom->memory + page * VK_PAGE, (int)page | 1, VK_PAGE);
	start(f);
	run(f, sometimes);
	assert_int_equal(f->rc, 0);
	/* Holes and zeros were left out. */
	assert_true(said->rounds[0].pages >= 297 && said->rounds[0].pages < 310);
	assert_true(said->nr_rounds <= 2);
	guest_writes(f, 8, 0x21);
	host_writes(f, NR_PAGES - 1, 0x22);
	/* Written without being said. */
	f->from.dom->vcpu[1].info_gpa = 40 * VK_PAGE + 64;
	f->from.dom->memory[40 * VK_PAGE + 64] = 0x23;
	finish(f);
	assert_true(said->rounds[said->nr_rounds - 1].pages < 20);
	assert_int_equal(f->nr_done, 1);
}

static void always(struct fixture *f, unsigned int turn)
{
	for (uint64_t page = 0; page < 400; page++)
		guest_writes(f, page, (uint8_t)(turn + page));
}

/* A guest that writes faster than is sent: some rounds, and an end. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	const struct kvm_launch_copy *said = &f->from.launch->copy;
	uint64_t pages = 0;

	memset(f->from.dom->memory, 1, 1000 * VK_PAGE);
	start(f);
	run(f, always);
	assert_int_equal(f->rc, 0);
	assert_true(said->nr_rounds <= VK_COPY_ROUNDS);
	for (unsigned int i = 0; i < said->nr_rounds; i++)
		pages += said->rounds[i].pages;
	assert_true(pages <= (VK_COPY_TIMES + 1) * NR_PAGES);
	finish(f);
	assert_true(said->nr_rounds <= KVM_LAUNCH_MAX_ROUNDS);
}

/* What the guest gives back meanwhile is not there at the other end either. */
static void gives_back(struct fixture *f, unsigned int turn)
{
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
	static uint64_t frame = 20;

	if (turn != 5)
		return;
	/* The list is behind the argument. */
	memcpy(f->from.dom->memory + 100 * VK_PAGE, &frame, sizeof(frame));
	set_xen_guest_handle(r.extent_start, (xen_pfn_t *)(uintptr_t)(100 * VK_PAGE));
	assert_int_equal(vk_rig_call(&f->from, 0, __HYPERVISOR_memory_op,
				     XENMEM_decrease_reservation, &r, sizeof(r)),
			 1);
	/* Its own writes are no hypercall's. */
	kvm.noted[0] |= 3ull << 5;
	kvm.noted[100 / 64] |= 1ull << 100 % 64;
}

static void test_balloon(void **state)
{
	struct fixture *f = *state;

	memset(f->from.dom->memory, 0x31, 200 * VK_PAGE);
	start(f);
	run(f, gives_back);
	finish(f);
	assert_int_equal(f->to.dom->nr_out, 1);
	assert_int_equal(f->to.dom->memory[20 * VK_PAGE], 0);
	assert_int_equal(f->to.dom->memory[21 * VK_PAGE], 0x31);
}

/* A hypervisor's bitmap is the guest's to spoil: what is no RAM is not sent. */
static void test_spoilt(void **state)
{
	struct fixture *f = *state;

	f->from.dom->ram = f->from.dom->low_ram = (NR_PAGES - 64) * VK_PAGE;
	f->to.dom->ram = f->to.dom->low_ram = f->from.dom->ram;
	memset(f->from.dom->memory, 0x31, 200 * VK_PAGE);
	start(f);
	memset(f->from.dom->dirty->bits, 0xff, NR_WORDS * sizeof(uint64_t));
	memset(kvm.noted + NR_WORDS - 1, 0, sizeof(kvm.noted[0]));
	run(f, NULL);
	assert_int_equal(f->rc, 0);
	finish(f);
}

/* While it suspends itself it writes on: that is sent, but for a few pages, and nothing is lost wherever it stops. */
static void test_tail(void **state)
{
	struct fixture *f = *state;
	const struct kvm_launch_copy *said = &f->from.launch->copy;
	unsigned int rounds;

	memset(f->from.dom->memory, 1, 300 * VK_PAGE);
	start(f);
	run(f, NULL);
	assert_int_equal(f->rc, 0);
	rounds = said->nr_rounds;
	/* Few: these stay. */
	guest_writes(f, 9, 0x41);
	host_writes(f, 10, 0x42);
	for (int i = 0; i < 5; i++)
		assert_true(loop_turn(f->loop, 100) >= 0);
	assert_int_equal(said->rounds[rounds].pages, 0);
	for (uint64_t page = 400; page < 500; page++)
		guest_writes(f, page, (uint8_t)page | 1);
	for (int i = 0; i < 100 && !said->rounds[rounds].pages; i++) {
		assert_true(loop_turn(f->loop, 100) >= 0);
		drain(f);
	}
	assert_true(said->rounds[rounds].pages >= 100);
	for (uint64_t page = 300; page < 800; page++)
		guest_writes(f, page, (uint8_t)(page / 3) | 1);
	/* It stops in the midst of a record. */
	for (int i = 0; i < 6; i++)
		assert_true(loop_turn(f->loop, 100) >= 0);
	assert_int_equal(f->nr_done, 1);
	finish(f);
	assert_int_equal(said->nr_rounds, rounds + 2);
}

static void test_nobody_reads(void **state)
{
	struct fixture *f = *state;

	memset(f->from.dom->memory, 0x31, 900 * VK_PAGE);
	start(f);
	/* The pipe is full before it is all. */
	for (int i = 0; i < 50; i++)
		loop_turn(f->loop, 0);
	assert_int_equal(f->nr_done, 0);
	close(f->pipe[0]);
	f->pipe[0] = -1;
	run(f, NULL);
	assert_int_equal(f->rc, -EPIPE);
	assert_int_equal(vk_copy_finish(f->copy, f->image), -EPIPE);
}

/* After the rounds, while the guest is suspending itself. */
static void test_lost_later(void **state)
{
	struct fixture *f = *state;

	start(f);
	run(f, NULL);
	assert_int_equal(f->rc, 0);
	for (int i = 0; i < 5; i++)
		assert_true(loop_turn(f->loop, 100) >= 0);
	assert_int_equal(f->nr_done, 1);
	close(f->pipe[0]);
	f->pipe[0] = -1;
	for (int i = 0; i < 100 && f->nr_done == 1; i++)
		assert_true(loop_turn(f->loop, 100) >= 0);
	assert_int_equal(f->nr_done, 2);
	assert_int_equal(f->rc, -EPIPE);
	assert_int_equal(loop_turn(f->loop, 0), 0);
}

static void test_kvm_fails(void **state)
{
	struct fixture *f = *state;

	start(f);
	kvm.fail = -ENOMEM;
	run(f, NULL);
	assert_int_equal(f->rc, -ENOMEM);
	vk_copy_end(f->copy);
	f->copy = NULL;
	assert_false(kvm.on);
	assert_int_equal(f->from.dom->dirty->on, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rounds), T(test_busy),	      T(test_balloon),	  T(test_spoilt),
		T(test_tail),	T(test_nobody_reads), T(test_lost_later), T(test_kvm_fails),
	};

	/* As the runner. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
