/*
 * A loop of its own over poll(2), and what curl promises to it: each socket told with what it was assigned, removed only
 * if it is known, no callback within a callback, a timer after a handle was added, never neither socket nor timer while
 * something runs, and no socket once nothing does.
 *
 * contract URL COUNT ROUNDS
 */
#include "check.h"
#include <poll.h>
#include <time.h>

#define MOST 4096

struct watched {
  curl_socket_t fd;
  int what;
  void *mark;
};

static struct watched sockets[MOST];
static int known, inside, told_timer;
static long deadline = -1;
static char marks[MOST];
static CURLM *multi;

static long now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static struct watched *find(curl_socket_t fd)
{
  int at;
  for(at = 0; at < known; at++)
    if(sockets[at].fd == fd)
      return &sockets[at];
  return NULL;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *mark)
{
  struct watched *watched = find(fd);
  int running;
  CHECK(!inside);
  inside = 1;
  CHECK(easy != NULL);
  CHECK(data == &sockets);
  CHECK(mark == (watched ? watched->mark : NULL));
  EQUAL(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_RECURSIVE_API_CALL);
  if(what == CURL_POLL_REMOVE) {
    CHECK(watched != NULL);
    if(watched)
      *watched = sockets[--known];
  }
  else {
    CHECK(what == CURL_POLL_IN || what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
    if(!watched) {
      watched = &sockets[known++];
      watched->fd = fd;
      watched->mark = &marks[fd % MOST];
      EQUAL(curl_multi_assign(multi, fd, watched->mark), CURLM_OK);
    }
    watched->what = what;
  }
  inside = 0;
  return 0;
}

static int on_timer(CURLM *from, long wait, void *data)
{
  CHECK(!inside);
  CHECK(from == multi);
  CHECK(data == &deadline);
  CHECK(wait >= -1);
  told_timer++;
  deadline = wait < 0 ? -1 : now() + wait;
  return 0;
}

static size_t count_bytes(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static void act(int *running)
{
  struct pollfd polled[MOST];
  int at, count = known;
  long wait = -1;
  for(at = 0; at < count; at++) {
    polled[at].fd = sockets[at].fd;
    polled[at].events = (short)(((sockets[at].what & CURL_POLL_IN) ? POLLIN : 0) | ((sockets[at].what & CURL_POLL_OUT) ? POLLOUT : 0));
    polled[at].revents = 0;
  }
  if(deadline >= 0)
    wait = deadline > now() ? deadline - now() : 0;
  CHECK(count || wait >= 0);
  if(poll(polled, (nfds_t)count, wait < 0 || wait > 5000 ? 5000 : (int)wait) == 0) {
    if(deadline >= 0 && now() >= deadline) {
      deadline = -1;
      EQUAL(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, running), CURLM_OK);
    }
    return;
  }
  for(at = 0; at < count; at++) {
    int mask = ((polled[at].revents & POLLIN) ? CURL_CSELECT_IN : 0) | ((polled[at].revents & POLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((polled[at].revents & (POLLERR | POLLHUP)) ? CURL_CSELECT_ERR : 0);
    /* one that was told to be removed meanwhile is gone */
    if(mask && find(polled[at].fd))
      EQUAL(curl_multi_socket_action(multi, polled[at].fd, mask, running), CURLM_OK);
  }
}

int main(int argc, char **args)
{
  int count, rounds, at, left, running = 0, done, round;
  size_t bytes = 0, expected = 0;
  CURL **easy;
  CURLMsg *message;
  if(argc != 4)
    return 2;
  count = atoi(args[2]);
  rounds = atoi(args[3]);
  easy = calloc((size_t)count, sizeof(*easy));
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &sockets);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &deadline);
  for(round = 0; round < rounds; round++) {
    done = 0;
    for(at = 0; at < count; at++) {
      if(!easy[at])
        easy[at] = curl_easy_init();
      curl_easy_setopt(easy[at], CURLOPT_URL, args[1]);
      curl_easy_setopt(easy[at], CURLOPT_WRITEFUNCTION, count_bytes);
      curl_easy_setopt(easy[at], CURLOPT_WRITEDATA, &bytes);
      EQUAL(curl_multi_add_handle(multi, easy[at]), CURLM_OK);
      CHECK(deadline >= 0);
    }
    running = count;
    while(running) {
      act(&running);
      while((message = curl_multi_info_read(multi, &left))) {
        char *url;
        curl_off_t size;
        EQUAL(message->msg, CURLMSG_DONE);
        EQUAL(message->data.result, CURLE_OK);
        curl_easy_getinfo(message->easy_handle, CURLINFO_EFFECTIVE_URL, &url);
        CHECK(!strcmp(url, args[1]));
        curl_easy_getinfo(message->easy_handle, CURLINFO_SIZE_DOWNLOAD_T, &size);
        expected += (size_t)size;
        EQUAL(curl_multi_remove_handle(multi, message->easy_handle), CURLM_OK);
        done++;
      }
    }
    EQUAL(done, count);
    EQUAL(known, 0);
    EQUAL(deadline, -1);
  }
  CHECK(told_timer > 0);
  CHECK(bytes == expected && bytes > 0);
  for(at = 0; at < count; at++)
    curl_easy_cleanup(easy[at]);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  EQUAL(known, 0);
  free(easy);
  printf("%d failures, %zu bytes\n", failures, bytes);
  return failures != 0;
}
