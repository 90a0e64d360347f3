# A member of a journal: Debian's etcd, as the same user as OpenDSQL's own image, whose certificates it reads.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="OpenDSQL journal member" \
      org.opencontainers.image.description="etcd as Debian has it, for OpenDSQL's journals"
RUN apt-get update \
 && apt-get install -y --no-install-recommends etcd-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/lib/etcd /etc/default/etcd \
 && groupadd --system --gid 10001 opendsql \
 && useradd --system --uid 10001 --gid opendsql --no-create-home --home-dir /data --shell /usr/sbin/nologin opendsql \
 && install -d -o opendsql -g opendsql -m 0700 /data /certificates
COPY docker/etcd-healthcheck.sh /usr/local/bin/healthcheck
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 2379 2380
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["etcd"]
