/* Gives a process another time of day than the machine has: LD_PRELOAD this library.
 *
 * The first eight bytes of the file that CLOCK_OFFSET_FILE names are the seconds to add, and may change at any time.
 * Monotonic clocks go on, as they do where an administrator or NTP sets a clock. The kernel does not know of the
 * offset, so absolute times of the real clock are taken back before they are handed to it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none;
static volatile int64_t *offset = &none;

/* Monotonic times are seconds since the machine was started, and not of this century. */
static const time_t FIRST_REAL_TIME = 1000000000;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) offset = mapped;
    close(file);
}

#define REAL(name, ...)                                                                                               \
    static int (*real)(__VA_ARGS__);                                                                                  \
    if (!real) real = dlsym(RTLD_NEXT, name)

static const struct timespec *taken_back(const struct timespec *time, struct timespec *changed) {
    if (!time || time->tv_sec < FIRST_REAL_TIME) return time;
    *changed = *time;
    changed->tv_sec -= *offset;
    return changed;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL("clock_gettime", clockid_t, struct timespec *);
    int result = real(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    REAL("gettimeofday", struct timeval *, void *);
    int result = real(time, zone);
    if (result == 0) time->tv_sec += *offset;
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    REAL("clock_nanosleep", clockid_t, int, const struct timespec *, struct timespec *);
    struct timespec changed;
    return real(clock, flags, flags & TIMER_ABSTIME ? taken_back(until, &changed) : until, left);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    REAL("pthread_cond_timedwait", pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec changed;
    return real(condition, mutex, taken_back(until, &changed));
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until) {
    REAL("pthread_mutex_timedlock", pthread_mutex_t *, const struct timespec *);
    struct timespec changed;
    return real(mutex, taken_back(until, &changed));
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    REAL("sem_timedwait", sem_t *, const struct timespec *);
    struct timespec changed;
    return real(semaphore, taken_back(until, &changed));
}

/* Abseil, which Ray and gRPC use, waits by the system call itself. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) real = dlsym(RTLD_NEXT, "syscall");
    long args[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) args[i] = va_arg(list, long);
    va_end(list);
    struct timespec changed;
    if (number == SYS_futex && (args[1] & FUTEX_CLOCK_REALTIME)) args[3] = (long)taken_back((void *)args[3], &changed);
    return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
