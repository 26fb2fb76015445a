/* A server in the program itself, on loopback: a thread for each connection, which answers `fine` to each request when it may. */
#ifndef SERVE_H
#define SERVE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static pthread_mutex_t serve_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t serve_change = PTHREAD_COND_INITIALIZER;
/* Heads that were read; bytes of bodies, each of which has to be the next of a pattern; requests in work, and most at once. */
static int serve_heads, serve_busy, serve_most;
/* Answers are given as long as this is set, and bodies read. */
static int serve_goes_on = 1;
/* How long each answer takes, in milliseconds. */
static int serve_takes;

/* What the body of a request has at a place. */
static unsigned char serve_byte(size_t at)
{
  return (unsigned char)(at % 251);
}

__attribute__((unused)) static void serve_go(int on)
{
  pthread_mutex_lock(&serve_lock);
  serve_goes_on = on;
  pthread_cond_broadcast(&serve_change);
  pthread_mutex_unlock(&serve_lock);
}

static int serve_body(int fd, const char *head, const char *rest, size_t length)
{
  const char *field = strstr(head, "Content-Length: ");
  size_t left = field ? strtoul(field + 16, NULL, 10) : 0, at = 0, seen;
  char buffer[65536];
  while(left) {
    ssize_t got = (ssize_t)length;
    if(got)
      memcpy(buffer, rest, length);
    else
      got = read(fd, buffer, sizeof(buffer));
    length = 0;
    if(got <= 0)
      return 0;
    for(seen = 0; seen < (size_t)got; seen++, at++)
      if((unsigned char)buffer[seen] != serve_byte(at)) {
        CHECK(!"the body is another");
        return 0;
      }
    left -= (size_t)got;
  }
  return 1;
}

static void *serve_one(void *socket)
{
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
  int fd = (int)(intptr_t)socket;
  char head[4096];
  size_t length = 0;
  for(;;) {
    char *end;
    ssize_t got = read(fd, head + length, sizeof(head) - 1 - length);
    if(got <= 0)
      break;
    length += (size_t)got;
    head[length] = 0;
    end = strstr(head, "\r\n\r\n");
    if(!end)
      continue;
    end += 4;
    pthread_mutex_lock(&serve_lock);
    serve_heads++;
    if(++serve_busy > serve_most)
      serve_most = serve_busy;
    pthread_cond_broadcast(&serve_change);
    while(!serve_goes_on)
      pthread_cond_wait(&serve_change, &serve_lock);
    pthread_mutex_unlock(&serve_lock);
    if(!serve_body(fd, head, end, length - (size_t)(end - head)))
      break;
    usleep((useconds_t)serve_takes * 1000);
    pthread_mutex_lock(&serve_lock);
    serve_busy--;
    pthread_mutex_unlock(&serve_lock);
    if(write(fd, answer, sizeof(answer) - 1) < 0)
      break;
    length = 0;
  }
  close(fd);
  return NULL;
}

static void *serve_all(void *listener)
{
  for(;;) {
    pthread_t thread;
    int fd = accept((int)(intptr_t)listener, NULL, NULL);
    if(fd < 0)
      return NULL;
    CHECK(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0);
    pthread_detach(thread);
  }
}

/* A socket that listens, with a queue so long. */
static int serve_listen(int queue, int *port)
{
  struct sockaddr_in address = {0};
  socklen_t length = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
  CHECK(listen(fd, queue) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

__attribute__((unused)) static void serve_start(int listener)
{
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, serve_all, (void *)(intptr_t)listener) == 0);
  pthread_detach(thread);
}

#endif
