/*
 * A process that forks with handles in its hands: what the child cleans up, goes on with or uses anew, the parent goes on with, too.
 *
 * forks CARRIED: 1 where a driver carries the transfers (sockets are both processes' as they are curl's own).
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "serve.h"

#define MANY 4

static int port;
static CURLM *multi;
static CURL *handles[MANY];

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static CURL *new_handle(void)
{
  CURL *easy = curl_easy_init();
  char url[64];
  snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 30L);
  return easy;
}

static void ends_well(pid_t child)
{
  int status = -1;
  EQUAL(waitpid(child, &status, 0), child);
  EQUAL(status, 0);
}

/* A handle that has a connection: each of both goes on with it, the child by one of its own. */
static void a_kept_connection(void)
{
  CURL *easy = new_handle();
  long made = -1;
  pid_t child;
  int round;
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  for(round = 0; round < 2; round++) {
    child = fork();
    if(!child) {
      if(round) {
        EQUAL(curl_easy_perform(easy), CURLE_OK);
        EQUAL(curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made), CURLE_OK);
        EQUAL(made, 1);
      }
      curl_easy_cleanup(easy);
      _exit(failures != 0);
    }
    ends_well(child);
    EQUAL(curl_easy_perform(easy), CURLE_OK);
    EQUAL(curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made), CURLE_OK);
    EQUAL(made, 0);
  }
  curl_easy_cleanup(easy);
}

static void add_all(int posts)
{
  int at;
  multi = curl_multi_init();
  for(at = 0; at < MANY; at++) {
    handles[at] = new_handle();
    if(posts)
      EQUAL(curl_easy_setopt(handles[at], CURLOPT_POSTFIELDS, ""), CURLE_OK);
    EQUAL(curl_multi_add_handle(multi, handles[at]), CURLM_OK);
  }
}

/* What the child has of its own lies where the ring's queues are in the parent, and is let alone. */
static void own_memory_stays(void)
{
  enum { MAPPED = 64, SIZE = 64 * 1024 };
  char *mapped[MAPPED];
  int at;
  for(at = 0; at < MAPPED; at++) {
    mapped[at] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(mapped[at], at, SIZE);
  }
  for(at = 0; at < MANY; at++) {
    EQUAL(curl_multi_remove_handle(multi, handles[at]), CURLM_OK);
    curl_easy_cleanup(handles[at]);
  }
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  for(at = 0; at < MAPPED; at++)
    EQUAL(mapped[at][SIZE - 1], at);
}

/* Goes on until all are done, with this result, and cleans up. */
static void finish(CURLcode expected)
{
  int running, left, done = 0, at;
  CURLMsg *message;
  do {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(running)
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  } while(running);
  while((message = curl_multi_info_read(multi, &left))) {
    EQUAL(message->data.result, expected);
    done++;
  }
  EQUAL(done, MANY);
  for(at = 0; at < MANY; at++) {
    EQUAL(curl_multi_remove_handle(multi, handles[at]), CURLM_OK);
    curl_easy_cleanup(handles[at]);
  }
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

enum { ADDED, ASKED, POSTED, LEFT };

/* Transfers that were added, and such that are under way and have brought nothing: those that post are not done twice. */
static void transfers(int state)
{
  int running, before = serve_heads;
  pid_t child;
  serve_go(0);
  add_all(state == POSTED);
  if(state != ADDED)
    do {
      EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
      EQUAL(curl_multi_poll(multi, NULL, 0, 10, NULL), CURLM_OK);
    } while(serve_heads < before + MANY);
  child = fork();
  if(!child) {
    if(state == LEFT)
      own_memory_stays();
    else
      finish(state == POSTED ? CURLE_RECV_ERROR : CURLE_OK);
    _exit(failures != 0);
  }
  serve_go(1);
  ends_well(child);
  finish(CURLE_OK);
  if(state == POSTED)
    EQUAL(serve_heads, before + MANY);
}

int main(int argc, char **args)
{
  if(argc != 2)
    return 2;
  /* the server is the parent's: a child has none of its threads */
  serve_start(serve_listen(64, &port));
  transfers(ADDED);
  if(atoi(args[1])) {
    transfers(ASKED);
    transfers(POSTED);
    transfers(LEFT);
    a_kept_connection();
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
