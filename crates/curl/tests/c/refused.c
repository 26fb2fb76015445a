/*
 * Where io_uring is refused for good, it is asked for once; and where descriptors run short, no transfer waits for ever.
 *
 * refused
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "serve.h"

static int port;
static volatile sig_atomic_t asked;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static CURLcode perform(void)
{
  CURL *easy = curl_easy_init();
  CURLcode code;
  char url[64];
  snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 30L);
  code = curl_easy_perform(easy);
  curl_easy_cleanup(easy);
  return code;
}

/* The system call fails with EPERM, and is counted. */
static void refuse(int number, siginfo_t *what, void *context)
{
  ucontext_t *at = context;
  (void)number;
  (void)what;
  asked++;
#if defined(__x86_64__)
  at->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
  at->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
}

static void a_refusal_is_remembered(void)
{
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
  struct sigaction action = {0};
  int round, first;
  action.sa_sigaction = refuse;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  EQUAL(perform(), CURLE_OK);
  first = asked;
  for(round = 0; round < 5; round++)
    EQUAL(perform(), CURLE_OK);
  CHECK(strstr(curl_version(), "(epoll)") != NULL);
  CHECK(first == 1);
  EQUAL(asked, first);
}

/* The next free descriptor. */
static int next_free(void)
{
  int fd = dup(0);
  close(fd);
  return fd;
}

static void few_descriptors(void)
{
  struct rlimit before, few;
  int free;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  free = next_free();
  for(few = before, few.rlim_cur = (rlim_t)free; few.rlim_cur < (rlim_t)free + 8; few.rlim_cur++) {
    struct timespec began, ended;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    clock_gettime(CLOCK_MONOTONIC, &began);
    perform();
    clock_gettime(CLOCK_MONOTONIC, &ended);
    /* it has failed, or not; it has not waited for its time */
    CHECK(ended.tv_sec - began.tv_sec < 20);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  EQUAL(perform(), CURLE_OK);
}

int main(void)
{
  pid_t server, child;
  int status = -1, listener = serve_listen(64, &port);
  /* whose descriptors are its own */
  server = fork();
  if(!server) {
    serve_all((void *)(intptr_t)listener);
    _exit(0);
  }
  child = fork();
  if(!child) {
    a_refusal_is_remembered();
    _exit(failures != 0);
  }
  EQUAL(waitpid(child, &status, 0), child);
  EQUAL(status, 0);
  few_descriptors();
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  printf("%d failures\n", failures);
  return failures != 0;
}
