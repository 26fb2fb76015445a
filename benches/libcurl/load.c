/*
 * GET requests by so many handles at once, each with a connection: what a request costs this process, and what an idle connection
 * holds.
 *
 * load socket|perform URL CONNECTIONS REQUESTS
 *
 * socket: curl_multi_socket_action() and an epoll; perform: curl_multi_perform() and curl_multi_poll(). What it prints: the CPU
 * time for each request once all connections stand, in microseconds, and the kB that the process holds for each connection once
 * all are idle and no handle is left.
 */
#include <curl/curl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

static CURLM *multi;
static int epoll, running;
static long timeout = -1, begun, done, requests, connections;
static double since;

static void fail(const char *why)
{
  fprintf(stderr, "load: %s\n", why);
  exit(1);
}

static double cpu(void)
{
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static double resident(void)
{
  FILE *file = fopen("/proc/self/statm", "r");
  long all, held;
  malloc_trim(0);
  if(!file || fscanf(file, "%ld %ld", &all, &held) != 2)
    fail("/proc/self/statm cannot be read");
  fclose(file);
  return held * (sysconf(_SC_PAGESIZE) / 1024.0);
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
  struct epoll_event event = {0};
  (void)easy;
  (void)data;
  event.data.fd = fd;
  event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
  if(what == CURL_POLL_REMOVE)
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
  else if(epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
  if(!known && what != CURL_POLL_REMOVE)
    curl_multi_assign(multi, fd, &epoll);
  return 0;
}

static int tell(CURLM *of, long wait, void *data)
{
  (void)of;
  (void)data;
  timeout = wait;
  return 0;
}

/* Has each handle that is done ask again, as long as there is something to be asked. */
static void ask_again(void)
{
  CURLMsg *message;
  int left;
  while((message = curl_multi_info_read(multi, &left))) {
    CURL *easy = message->easy_handle;
    if(message->data.result)
      fail(curl_easy_strerror(message->data.result));
    curl_multi_remove_handle(multi, easy);
    /* from here on all connections stand */
    if(++done == connections)
      since = cpu();
    if(begun < requests + connections) {
      begun++;
      curl_multi_add_handle(multi, easy);
    }
    else
      curl_easy_cleanup(easy);
  }
}

static void loop_by_sockets(void)
{
  struct epoll_event events[256];
  while(done < requests + connections) {
    int at, ready = epoll_wait(epoll, events, 256, (int)timeout);
    if(!ready) {
      timeout = -1;
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for(at = 0; at < ready; at++) {
      int bits = (events[at].events & EPOLLIN ? CURL_CSELECT_IN : 0)
        | (events[at].events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
        | (events[at].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi, events[at].data.fd, bits, &running);
    }
    ask_again();
  }
}

static void loop_by_perform(void)
{
  while(done < requests + connections) {
    curl_multi_perform(multi, &running);
    ask_again();
    if(running && done < requests + connections)
      curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
}

int main(int argc, char **args)
{
  double before, used;
  long at;
  if(argc != 5)
    fail("load socket|perform URL CONNECTIONS REQUESTS");
  connections = atol(args[3]);
  requests = atol(args[4]);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi = curl_multi_init();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  before = resident();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
  if(!strcmp(args[1], "socket")) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, tell);
  }
  for(at = 0; at < connections; at++) {
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, args[2]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    begun++;
    curl_multi_add_handle(multi, easy);
  }
  if(!strcmp(args[1], "socket"))
    loop_by_sockets();
  else
    loop_by_perform();
  used = cpu() - since;
  printf("%.3f %.3f\n", used / requests, (resident() - before) / connections);
  curl_multi_cleanup(multi);
  return 0;
}
