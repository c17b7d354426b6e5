/* Runs a victim under ptrace, and records every image that its files pass through: each is what a kill would leave.
 *
 *   stepper MODE CONTROL RECORD DIRECTORY... -- COMMAND...
 *
 *   COMMAND runs ──stops itself──▶ watched, store by store ──stops itself again──▶ killed
 *                                     └─▶ RECORD: what changed in which file, how much was acknowledged by then
 *
 * MODE
 *   instructions   single-step; after each instruction compare every mapped file with what it held
 *   stores         make the victim's shared mappings read-only: each store faults, is let through alone, and compared.
 *                  What lies between two stores runs at full speed, so that Python can be watched as well
 *   before:N       as stores; halt before the Nth change, say so on stdout, and wait for a line on stdin. Then let go,
 *   after:N        or behind it; and the victim goes on to its end, unwatched
 *
 * Files that are only written by system calls belong to an image as well; after each call that may have changed one,
 * the directories are looked through. A write of several pages can be cut between any two, so it counts as several.
 *
 * CONTROL is a file that the victim maps: its first word counts what was acknowledged. Paths are absolute, as the kernel
 * tells them. The record, a line each:
 *   M path        a directory is there        X path     it is gone
 *   F id size mode path    a file is there, all zeros    T id size    it has another size    R id    it is gone
 *   D id offset length, then as many bytes    they are in the file now
 *   I acknowledged step address    an image: killed here, this is left    E steps images    the end
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 4096, RANGES_MAX = 256, PAGE = 4096, WATCHED_MAX = 4 << 20, FORBIDDEN = 77 };

typedef struct {
    char path[512];
    int directory, seen, there;
    dev_t device;
    ino_t inode;
    size_t size, held;    /* bytes of the file; of them, how many are compared */
    const uint8_t *now;   /* the file, mapped here */
    uint8_t *last;        /* what the record holds */
    int mapped_by_victim; /* or written by calls alone */
} file;

typedef struct {
    uint64_t begin, end;
    int open;
} range;

static file files[FILES_MAX];
static int file_count;
static range ranges[RANGES_MAX];
static int range_count;
static char **roots;
static int root_count;
static const char *control_path;
static const volatile uint64_t *control;
static uint64_t acknowledged_last = UINT64_MAX, steps, images, address;
static FILE *record;
static pid_t victim;
static int by_instruction;
static long halt_at = -1;
static int halt_before;
static uint64_t syscall_address;

static void fail(const char *what)
{
    fprintf(stderr, "stepper: %s: %s\n", what, strerror(errno));
    if (victim > 0) kill(victim, SIGKILL);
    exit(1);
}

static void refuse(const char *what, long detail)
{
    fprintf(stderr, "stepper: %s (%ld)\n", what, detail);
    if (victim > 0) kill(victim, SIGKILL);
    exit(1);
}

/* --- images --- */

static uint64_t register_of(size_t offset)
{
    errno = 0;
    long value = ptrace(PTRACE_PEEKUSER, victim, offset, 0);
    if (value == -1 && errno != 0) fail("PEEKUSER");
    return (uint64_t)value;
}

static uint64_t instruction_pointer(void) { return register_of(offsetof(struct user_regs_struct, rip)); }

static void halt_here(void);

static void image(void)
{
    if (by_instruction) address = instruction_pointer();
    acknowledged_last = control[0];
    fprintf(record, "I %lu %lu %lx\n", acknowledged_last, steps, address);
    images++;
}

static void write_delta(int id, size_t begin, size_t end)
{
    file *each = &files[id];
    memcpy(each->last + begin, each->now + begin, end - begin);
    fprintf(record, "D %d %zu %zu\n", id, begin, end - begin);
    fwrite(each->last + begin, 1, end - begin, record);
}

/* What changed in a file. By one store it is a few bytes; a call may have been cut between any two pages. */
static int compare(int id, int by_page)
{
    file *each = &files[id];
    if (each->held == 0 || memcmp(each->now, each->last, each->held) == 0) return 0;
    size_t begin = 0, end = each->held;
    while (begin + 64 <= end && memcmp(each->now + begin, each->last + begin, 64) == 0) begin += 64;
    while (end > begin && each->now[end - 1] == each->last[end - 1]) end--;
    while (begin < end && each->now[begin] == each->last[begin]) begin++;
    size_t at = begin;
    while (by_page && (at / PAGE + 1) * PAGE < end) {
        size_t next = (at / PAGE + 1) * PAGE;
        if (memcmp(each->now + at, each->last + at, next - at) != 0) {
            write_delta(id, at, next);
            image();
        }
        at = next;
    }
    write_delta(id, at, end);
    return 1;
}

static int is_control(const char *path) { return strcmp(path, control_path) == 0; }

static void let_go(file *each)
{
    if (each->held) {
        munmap((void *)each->now, each->held);
        free(each->last);
    }
    each->held = 0;
}

/* Map the file as it is now; what was recorded of it stays. */
static void hold(int id, size_t size)
{
    file *each = &files[id];
    size_t held = size < WATCHED_MAX ? size : WATCHED_MAX, kept = held < each->held ? held : each->held;
    uint8_t *last = calloc(1, held + 1);
    if (last == NULL) fail("calloc");
    if (kept) memcpy(last, each->last, kept);
    let_go(each);
    each->last = last;
    each->size = size;
    if (held) {
        int fd = open(each->path, O_RDONLY);
        if (fd < 0) fail(each->path);
        each->now = mmap(NULL, held, PROT_READ, MAP_SHARED, fd, 0);
        if (each->now == MAP_FAILED) fail("mmap");
        close(fd);
    } else
        free(last);
    each->held = held;
}

static int file_at(const char *path)
{
    for (int id = 0; id < file_count; id++)
        if (files[id].there && strcmp(files[id].path, path) == 0) return id;
    return -1;
}

static int changes; /* found by the scan that is under way */
static int splits;  /* whether it is behind a call that writes, page by page */

static void look_at(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || is_control(path)) return;
    int directory = S_ISDIR(status.st_mode);
    if (!directory && !S_ISREG(status.st_mode)) return;
    int id = file_at(path);
    if (id >= 0 && (files[id].inode != status.st_ino || files[id].device != status.st_dev)) {
        files[id].there = 0; /* another file of the name: one was renamed over it */
        fprintf(record, "R %d\n", id);
        let_go(&files[id]);
        id = -1;
        changes++;
    }
    if (id < 0) {
        if (file_count == FILES_MAX) refuse("too many files", file_count);
        id = file_count++;
        file *each = &files[id];
        snprintf(each->path, sizeof each->path, "%s", path);
        each->directory = directory;
        each->there = 1;
        each->inode = status.st_ino;
        each->device = status.st_dev;
        changes++;
        if (directory)
            fprintf(record, "M %s\n", path);
        else {
            fprintf(record, "F %d %zu %o %s\n", id, (size_t)status.st_size, status.st_mode & 07777, path);
            hold(id, (size_t)status.st_size);
        }
    } else if (!directory && files[id].size != (size_t)status.st_size) {
        fprintf(record, "T %d %zu\n", id, (size_t)status.st_size);
        hold(id, (size_t)status.st_size);
        changes++;
    }
    files[id].seen = 1;
    if (!directory) {
        changes += compare(id, splits);
        return;
    }
    DIR *entries = opendir(path);
    if (entries == NULL) return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner) look_at(inner);
    }
    closedir(entries);
}

/* Look through the directories, after a call that may have changed them. */
static int scan(void)
{
    changes = 0;
    for (int id = 0; id < file_count; id++) files[id].seen = 0;
    for (int root = 0; root < root_count; root++) look_at(roots[root]);
    for (int id = file_count - 1; id >= 0; id--) { /* what lies in a directory before the directory */
        file *each = &files[id];
        if (!each->there || each->seen) continue;
        if (each->directory)
            fprintf(record, "X %s\n", each->path);
        else
            fprintf(record, "R %d\n", id);
        each->there = 0;
        let_go(each);
        changes++;
    }
    return changes;
}

static int compare_mapped(void)
{
    int found = 0;
    for (int id = 0; id < file_count; id++)
        if (files[id].there && files[id].mapped_by_victim) found |= compare(id, 0);
    return found;
}

static int may_change_files(long call)
{
    switch (call) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2: case SYS_ftruncate:
    case SYS_truncate: case SYS_fallocate: case SYS_open: case SYS_openat: case SYS_creat: case SYS_rename:
    case SYS_renameat: case SYS_renameat2: case SYS_unlink: case SYS_unlinkat: case SYS_mkdir: case SYS_mkdirat:
    case SYS_rmdir: case SYS_link: case SYS_linkat: case SYS_copy_file_range: case SYS_sendfile: case SYS_read:
    case SYS_pread64: case SYS_readv: case SYS_preadv: case SYS_chmod: case SYS_fchmod:
        return 1;
    default:
        return 0;
    }
}

static int writes(long call)
{
    return call == SYS_write || call == SYS_pwrite64 || call == SYS_writev || call == SYS_pwritev || call == SYS_pwritev2;
}

static int may_store(long call)
{
    return call == SYS_read || call == SYS_pread64 || call == SYS_readv || call == SYS_preadv;
}

static int changes_mappings(long call) { return call == SYS_mmap || call == SYS_munmap || call == SYS_mremap; }

/* After a step or a store: an image where something changed, or where more was acknowledged. */
static void look(long call)
{
    splits = writes(call);
    int found = may_change_files(call) || changes_mappings(call) ? scan() : compare_mapped();
    if (!found && control[0] == acknowledged_last) return;
    image();
    if (halt_at >= 0 && !halt_before && (long)images > halt_at) halt_here();
}

/* --- the victim's mappings --- */

static int is_watched(const char *path)
{
    for (int root = 0; root < root_count; root++) {
        size_t length = strlen(roots[root]);
        if (strncmp(path, roots[root], length) == 0 && (path[length] == '/' || path[length] == 0)) return 1;
    }
    return is_control(path);
}

/* Have the victim make a call of its own: nothing else of it runs. */
static long call_in_victim(long number, uint64_t a, uint64_t b, uint64_t c)
{
    struct user_regs_struct before, registers;
    int status;
    if (ptrace(PTRACE_GETREGS, victim, 0, &before) != 0) fail("GETREGS");
    registers = before;
    registers.rip = syscall_address;
    registers.rax = (uint64_t)number;
    registers.orig_rax = (uint64_t)-1;
    registers.rdi = a, registers.rsi = b, registers.rdx = c;
    if (ptrace(PTRACE_SETREGS, victim, 0, &registers) != 0) fail("SETREGS");
    if (ptrace(PTRACE_SINGLESTEP, victim, 0, 0) != 0) fail("SINGLESTEP");
    if (waitpid(victim, &status, __WALL) != victim || !WIFSTOPPED(status)) refuse("the victim ended", status);
    if (ptrace(PTRACE_GETREGS, victim, 0, &registers) != 0) fail("GETREGS");
    if (ptrace(PTRACE_SETREGS, victim, 0, &before) != 0) fail("SETREGS");
    return (long)registers.rax;
}

static void protect(range *each, int open)
{
    if (each->open == open) return;
    int protection = open ? PROT_READ | PROT_WRITE : PROT_READ;
    long result = call_in_victim(SYS_mprotect, each->begin, each->end - each->begin, (uint64_t)protection);
    if (result != 0) refuse("mprotect in the victim", result);
    each->open = open;
}

static void protect_all(int open)
{
    for (int each = 0; each < range_count; each++) protect(&ranges[each], open);
}

/* Find what the victim maps and may write, and close it. Ranges that were closed show as read-only. */
static void find_mappings(void)
{
    char name[64], line[1024];
    range found[RANGES_MAX];
    int count = 0;
    snprintf(name, sizeof name, "/proc/%d/maps", (int)victim);
    FILE *maps = fopen(name, "r");
    if (maps == NULL) fail(name);
    for (int id = 0; id < file_count; id++) files[id].mapped_by_victim = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t begin, end;
        char flags[8], *path = strchr(line, '/');
        if (path == NULL || sscanf(line, "%lx-%lx %7s", &begin, &end, flags) != 3 || flags[3] != 's') continue;
        path[strcspn(path, "\n")] = 0;
        char *gone = strstr(path, " (deleted)");
        if (gone != NULL) *gone = 0;
        if (!is_watched(path)) continue;
        int id = gone != NULL ? -1 : file_at(path);
        if (id >= 0) files[id].mapped_by_victim = 1;
        int known = 0; /* a closed range is one that was open once */
        for (int each = 0; each < range_count; each++)
            known |= ranges[each].begin <= begin && end <= ranges[each].end && !ranges[each].open;
        if (flags[1] != 'w' && !known) continue;
        if (count == RANGES_MAX) refuse("too many mappings", count);
        found[count++] = (range){begin, end, flags[1] == 'w'};
    }
    fclose(maps);
    memcpy(ranges, found, sizeof found);
    range_count = count;
    if (!by_instruction) protect_all(0);
}

static range *range_of(uint64_t at)
{
    for (int each = 0; each < range_count; each++)
        if (ranges[each].begin <= at && at < ranges[each].end) return &ranges[each];
    return NULL;
}

/* --- running it --- */

static int wait_for_victim(void)
{
    int status;
    if (waitpid(victim, &status, __WALL) != victim) fail("waitpid");
    if (WIFEXITED(status)) refuse("the victim ended before its script did, with code", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) refuse("the victim was ended by signal", WTERMSIG(status));
    return status;
}

/* Let it run until it stops itself. */
static void run_until_it_stops(void)
{
    long signal_given = 0;
    for (;;) {
        if (ptrace(PTRACE_CONT, victim, 0, signal_given) != 0) fail("CONT");
        int status = wait_for_victim(), number = WSTOPSIG(status);
        if (number == SIGSTOP) return;
        signal_given = number == SIGTRAP ? 0 : number;
    }
}

/* Somebody else has a turn; then the victim goes on by itself to its end. */
static void halt_here(void)
{
    char answer[16];
    int status;
    printf("halted %lu %lu\n", control[0], images);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL) refuse("nobody said how to go on", 0);
    if (!by_instruction) protect_all(1);
    fflush(record);
    if (ptrace(PTRACE_DETACH, victim, 0, 0) != 0) fail("DETACH");
    for (;;) {
        if (waitpid(victim, &status, WUNTRACED) != victim) fail("waitpid");
        if (!WIFSTOPPED(status)) break;
        kill(victim, SIGCONT);
    }
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void step_by_instructions(void)
{
    long signal_given = 0;
    for (;;) {
        if (ptrace(PTRACE_SINGLESTEP, victim, 0, signal_given) != 0) fail("SINGLESTEP");
        int status = wait_for_victim(), number = WSTOPSIG(status);
        if (number == SIGSTOP) return;
        signal_given = number == SIGTRAP ? 0 : number;
        steps++;
        long call = (long)register_of(offsetof(struct user_regs_struct, orig_rax));
        look(call);
        if (changes_mappings(call)) find_mappings();
    }
}

/* A store that faulted: open the mapping, let the instruction through, compare, close it again. */
static void let_store_through(range *each)
{
    long number = SIGSEGV;
    siginfo_t what;
    if (halt_at >= 0 && halt_before && (long)images >= halt_at) halt_here();
    address = instruction_pointer();
    while (number == SIGSEGV) {
        protect(each, 1);
        if (ptrace(PTRACE_SINGLESTEP, victim, 0, 0) != 0) fail("SINGLESTEP");
        number = WSTOPSIG(wait_for_victim());
        if (number != SIGSEGV) break;
        if (ptrace(PTRACE_GETSIGINFO, victim, 0, &what) != 0) fail("GETSIGINFO");
        each = range_of((uint64_t)what.si_addr);
        if (each == NULL || each->open) refuse("the victim faults", (long)what.si_addr);
    }
    if (number != SIGTRAP) refuse("a signal came with a store", number);
    steps++;
    look(-1);
    protect_all(0);
}

static void step_by_stores(void)
{
    long signal_given = 0, call = 0;
    int inside = 0;
    siginfo_t what;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, victim, 0, signal_given) != 0) fail("SYSCALL");
        int number = WSTOPSIG(wait_for_victim());
        signal_given = 0;
        if (number == (SIGTRAP | 0x80)) {
            inside = !inside;
            if (inside) {
                call = (long)register_of(offsetof(struct user_regs_struct, orig_rax));
                continue;
            }
            int64_t result = (int64_t)register_of(offsetof(struct user_regs_struct, rax));
            if (result == -EFAULT && may_store(call)) refuse("a call stores into a watched file", call);
            address = instruction_pointer();
            if (may_change_files(call) || changes_mappings(call)) look(call);
            if (changes_mappings(call)) find_mappings();
        } else if (number == SIGSEGV) {
            if (ptrace(PTRACE_GETSIGINFO, victim, 0, &what) != 0) fail("GETSIGINFO");
            range *each = range_of((uint64_t)what.si_addr);
            if (each != NULL && !each->open)
                let_store_through(each);
            else
                signal_given = number;
        } else if (number == SIGSTOP) {
            return;
        } else if (number != SIGTRAP) {
            signal_given = number;
        }
    }
}

/* Victim and stepper take turns, millions of them: on one processor a turn costs a quarter. */
static void share_a_processor(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void begin(char **command)
{
    share_a_processor();
    victim = fork();
    if (victim < 0) fail("fork");
    if (victim == 0) {
        personality(ADDR_NO_RANDOMIZE); /* the same addresses each time, where that is allowed */
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(FORBIDDEN);
        raise(SIGSTOP);
        execvp(command[0], command);
        _exit(127);
    }
    int status;
    if (waitpid(victim, &status, __WALL) != victim) fail("waitpid");
    if (!WIFSTOPPED(status)) {
        fprintf(stderr, "stepper: ptrace is forbidden here\n");
        exit(FORBIDDEN);
    }
    if (ptrace(PTRACE_SETOPTIONS, victim, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0) {
        fprintf(stderr, "stepper: ptrace is forbidden here: %s\n", strerror(errno));
        kill(victim, SIGKILL);
        exit(FORBIDDEN);
    }
    run_until_it_stops();
    syscall_address = instruction_pointer() - 2; /* it stopped itself by a call */
    long code = ptrace(PTRACE_PEEKTEXT, victim, syscall_address, 0);
    if ((code & 0xFFFF) != 0x050F) refuse("no system call where the victim stopped", code & 0xFFFF);
}

static void read_mode(const char *mode)
{
    by_instruction = strcmp(mode, "instructions") == 0;
    if (by_instruction || strcmp(mode, "stores") == 0) return;
    halt_before = strncmp(mode, "before:", 7) == 0;
    if (!halt_before && strncmp(mode, "after:", 6) != 0) refuse("no such mode", 0);
    halt_at = atol(strchr(mode, ':') + 1);
}

int main(int count, char **arguments)
{
    int first = 1;
    while (first < count && strcmp(arguments[first], "--") != 0) first++;
    if (first < 5 || first + 1 >= count) refuse("MODE CONTROL RECORD DIRECTORY... -- COMMAND...", count);
    read_mode(arguments[1]);
    control_path = arguments[2];
    roots = arguments + 4;
    root_count = first - 4;
    int fd = open(control_path, O_RDONLY);
    if (fd < 0) fail(control_path);
    control = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) fail("mmap");
    record = fopen(arguments[3], "w");
    if (record == NULL) fail(arguments[3]);
    setvbuf(record, NULL, _IOFBF, 1 << 20);
    begin(arguments + first + 1);
    scan();
    find_mappings();
    image();
    images = 0; /* the first is what was there: those behind it are numbered from 1 */
    if (by_instruction)
        step_by_instructions();
    else
        step_by_stores();
    fprintf(record, "E %lu %lu\n", steps, images);
    fclose(record);
    kill(victim, SIGKILL);
    waitpid(victim, NULL, __WALL);
    return 0;
}
