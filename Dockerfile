# `earmark serve` in a container: the page, the JSON interface and Gradio's protocol on port 7860.
#
#   docker build -t earmark .
#   docker run -p 7860:7860 earmark OWNER/MODEL
#
# docs/serve.md tells how a Hugging Face Space is made of it.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# Without symbols the program is a third smaller.
ENV CARGO_PROFILE_DIST_STRIP=symbols
RUN cargo build --locked --profile dist --package earmark-cli \
 && mkdir /home/user

# The C library and the certificates that the Hub is reached with, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/earmark /usr/local/bin/
# The user of a Space; downloaded models lie in its home.
COPY --from=build --chown=1000:1000 /home/user /home/user
USER 1000:1000
ENV HOME=/home/user
EXPOSE 7860
ENTRYPOINT ["earmark", "serve", "--host", "0.0.0.0", "--no-open", "--model"]
CMD ["MIT/ast-finetuned-audioset-10-10-0.4593"]
