/*
 * Threads that have one share, each with handles of its own, of which each is used by several threads in turn.
 *
 * threads URL THREADS TRANSFERS
 */
#include "check.h"
#include <pthread.h>

static const char *url;
static int transfers, running;
static CURLSH *share;
static CURL *passed;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static CURL *handle(void)
{
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_SHARE, share);
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
  return easy;
}

static void *work(void *unused)
{
  int at;
  (void)unused;
  for(at = 0; at < transfers; at++) {
    size_t bytes = 0;
    CURL *easy = handle();
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
    EQUAL(curl_easy_perform(easy), CURLE_OK);
    EQUAL(bytes, 4);
    curl_easy_cleanup(easy);
    /* one handle goes from thread to thread */
    pthread_mutex_lock(&turn);
    bytes = 0;
    curl_easy_setopt(passed, CURLOPT_WRITEDATA, &bytes);
    EQUAL(curl_easy_perform(passed), CURLE_OK);
    EQUAL(bytes, 4);
    pthread_mutex_unlock(&turn);
  }
  return NULL;
}

int main(int argc, char **args)
{
  pthread_t threads[64];
  struct curl_slist *cookies = NULL;
  int at;
  if(argc != 4)
    return 2;
  url = args[1];
  running = atoi(args[2]);
  transfers = atoi(args[3]);
  share = curl_share_init();
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS), CURLSHE_OK);
  passed = handle();
  for(at = 0; at < running; at++)
    CHECK(pthread_create(&threads[at], NULL, work, NULL) == 0);
  for(at = 0; at < running; at++)
    pthread_join(threads[at], NULL);
  EQUAL(curl_easy_getinfo(passed, CURLINFO_COOKIELIST, &cookies), CURLE_OK);
  CHECK(cookies && !cookies->next && strstr(cookies->data, "a\tb"));
  curl_slist_free_all(cookies);
  curl_easy_cleanup(passed);
  EQUAL(curl_share_cleanup(share), CURLSHE_OK);
  printf("%d failures\n", failures);
  return failures != 0;
}
