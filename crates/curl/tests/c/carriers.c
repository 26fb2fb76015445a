/*
 * Transfers that a driver carries: from thread to thread, by each way to wait, beside handles that need a socket, and with a
 * socket callback that is set when they are under way.
 *
 * carriers URL DRIVER: URL is slow enough to be met in the midst; DRIVER is what curl_version() is to say.
 */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 8

static const char *url;
static CURLM *multi;
static CURL *handles[MANY];
static size_t bytes[MANY];
static int running;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static int set_up(void *opened, curl_socket_t fd, curlsocktype purpose)
{
  CHECK(fd >= 0 && purpose == CURLSOCKTYPE_IPCXN);
  ++*(int *)opened;
  return CURL_SOCKOPT_OK;
}

static void add_all(int *opened)
{
  int at;
  for(at = 0; at < MANY; at++) {
    CURL *easy = handles[at] = curl_easy_init();
    bytes[at] = 0;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes[at]);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 30L);
    if(opened && at % 2) {
      curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_up);
      curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, opened);
      curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
  }
  running = MANY;
}

/* All are done, and well. */
static void end_all(void)
{
  CURLMsg *message;
  int left, done = 0, at;
  while((message = curl_multi_info_read(multi, &left))) {
    EQUAL(message->msg, CURLMSG_DONE);
    EQUAL(message->data.result, CURLE_OK);
    done++;
  }
  EQUAL(done, MANY);
  for(at = 0; at < MANY; at++) {
    EQUAL(bytes[at], 3000);
    EQUAL(curl_multi_remove_handle(multi, handles[at]), CURLM_OK);
    curl_easy_cleanup(handles[at]);
  }
}

static void *one_step(void *unused)
{
  (void)unused;
  EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  if(running)
    EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  return NULL;
}

/* What one thread has begun the next goes on with, and the first is gone by then. */
static void from_thread_to_thread(void)
{
  int round;
  for(round = 0; round < 2; round++) {
    add_all(NULL);
    while(running) {
      pthread_t thread;
      CHECK(pthread_create(&thread, NULL, one_step, NULL) == 0);
      pthread_join(thread, NULL);
    }
    end_all();
  }
}

static void by_select(void)
{
  add_all(NULL);
  while(!curl_multi_perform(multi, &running) && running) {
    fd_set read, write, except;
    int highest;
    long wait;
    struct timeval most;
    FD_ZERO(&read);
    FD_ZERO(&write);
    FD_ZERO(&except);
    EQUAL(curl_multi_fdset(multi, &read, &write, &except, &highest), CURLM_OK);
    CHECK(highest >= 0);
    EQUAL(curl_multi_timeout(multi, &wait), CURLM_OK);
    if(wait < 0 || wait > 1000)
      wait = 1000;
    most.tv_sec = wait / 1000;
    most.tv_usec = wait % 1000 * 1000;
    CHECK(select(highest + 1, &read, &write, &except, &most) >= 0);
  }
  end_all();
}

/* The system's library and its header may be older than this function. */
typedef CURLMcode (*waitfds_function)(CURLM *, struct curl_waitfd *, unsigned, unsigned *);

static void by_waitfds(void)
{
  waitfds_function waitfds = (waitfds_function)dlsym(RTLD_DEFAULT, "curl_multi_waitfds");
  CHECK(waitfds != NULL);
  add_all(NULL);
  while(!curl_multi_perform(multi, &running) && running) {
    struct curl_waitfd fds[MANY];
    struct pollfd polled[MANY];
    unsigned count = 0, at;
    long wait;
    EQUAL(waitfds(multi, fds, MANY, &count), CURLM_OK);
    CHECK(count > 0);
    for(at = 0; at < count; at++) {
      polled[at].fd = fds[at].fd;
      polled[at].events = fds[at].events & CURL_WAIT_POLLIN ? POLLIN : POLLOUT;
    }
    EQUAL(curl_multi_timeout(multi, &wait), CURLM_OK);
    CHECK(poll(polled, count, wait < 0 || wait > 1000 ? 1000 : (int)wait) >= 0);
  }
  end_all();
}

static void with_sockets(void)
{
  int opened = 0;
  add_all(&opened);
  while(!curl_multi_perform(multi, &running) && running)
    EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  CHECK(opened > 0 && opened <= MANY / 2);
  end_all();
}

/* What the program was told to watch. */
static struct pollfd watched[MANY];
static int removed;

static int watch(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
  int at, free = -1, is_there = 0;
  for(at = 0; at < MANY; at++)
    is_there |= easy && easy == handles[at];
  CHECK(is_there);
  CHECK(data == watched);
  for(at = 0; at < MANY; at++) {
    if(watched[at].fd == fd)
      break;
    if(watched[at].fd < 0)
      free = at;
  }
  if(what == CURL_POLL_REMOVE) {
    CHECK(at < MANY && assigned == &watched[at]);
    watched[at].fd = -1;
    removed++;
    return 0;
  }
  if(at == MANY) {
    CHECK(free >= 0 && !assigned);
    at = free;
    EQUAL(curl_multi_assign(multi, fd, &watched[at]), CURLM_OK);
  }
  watched[at].fd = fd;
  watched[at].events = (what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0);
  return 0;
}

static void begin_watching(void)
{
  int at;
  add_all(NULL);
  EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  CHECK(running > 0);
  for(at = 0; at < MANY; at++)
    watched[at].fd = -1;
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, watched);
  EQUAL(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_OK);
  removed = 0;
}

/* Those that are under way by then are told of, too. */
static void with_a_late_callback(void)
{
  int at;
  begin_watching();
  while(running) {
    long wait;
    int ready;
    EQUAL(curl_multi_timeout(multi, &wait), CURLM_OK);
    ready = poll(watched, MANY, wait < 0 || wait > 1000 ? 1000 : (int)wait);
    CHECK(ready >= 0);
    if(!ready)
      EQUAL(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_OK);
    for(at = 0; at < MANY; at++)
      if(watched[at].fd >= 0 && watched[at].revents)
        EQUAL(curl_multi_socket_action(multi, watched[at].fd, CURL_CSELECT_IN, &running), CURLM_OK);
  }
  CHECK(removed > 0);
  for(at = 0; at < MANY; at++)
    EQUAL(watched[at].fd, -1);
  end_all();
}

/* And no handle is named that is gone. */
static void with_handles_that_go(void)
{
  int at;
  begin_watching();
  for(at = 0; at < MANY; at++) {
    EQUAL(curl_multi_remove_handle(multi, handles[at]), CURLM_OK);
    curl_easy_cleanup(handles[at]);
    handles[at] = NULL;
    EQUAL(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_OK);
  }
  CHECK(removed > 0);
  for(at = 0; at < MANY; at++)
    EQUAL(watched[at].fd, -1);
}

/* A child that was forked in the midst cleans up, or goes on: what has begun to come does not come there. */
static void forked(void)
{
  int goes_on;
  for(goes_on = 0; goes_on < 2; goes_on++) {
    pid_t child;
    int status = -1, at, left;
    CURLMsg *message;
    add_all(NULL);
    while(!bytes[0] || !bytes[MANY - 1]) {
      EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
      EQUAL(curl_multi_poll(multi, NULL, 0, 10, NULL), CURLM_OK);
    }
    child = fork();
    if(!child) {
      while(goes_on && running) {
        EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
        if(running)
          EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
      }
      while(goes_on && (message = curl_multi_info_read(multi, &left)))
        if(message->data.result)
          EQUAL(message->data.result, CURLE_RECV_ERROR);
      for(at = 0; at < MANY; at++) {
        curl_multi_remove_handle(multi, handles[at]);
        curl_easy_cleanup(handles[at]);
      }
      curl_multi_cleanup(multi);
      _exit(failures != 0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    EQUAL(status, 0);
    while(running) {
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
      EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    }
    end_all();
  }
}

/* By a multi of its own: one that has been on sockets stays there. */
static void with(void (*part)(void))
{
  multi = curl_multi_init();
  part();
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

int main(int argc, char **args)
{
  char driver[32];
  if(argc != 3)
    return 2;
  url = args[1];
  snprintf(driver, sizeof(driver), "(%s)", args[2]);
  CHECK(strstr(curl_version(), driver) != NULL);
  with(from_thread_to_thread);
  with(by_select);
  with(by_waitfds);
  with(with_sockets);
  with(with_a_late_callback);
  with(with_handles_that_go);
  if(strcmp(args[2], "epoll"))
    with(forked);
  printf("%d failures\n", failures);
  return failures != 0;
}
