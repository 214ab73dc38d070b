/** The workflow that `boltseal init github` writes. */

import packageJson from '../../package.json' with { type: 'json' };

// Member by member: taken apart, all of package.json would become part of the program.
const repository = packageJson.repository.url;
const version = packageJson.version;

/** The action of this project as workflows name it: its repository, at the major version. */
export const action: string = `${repository.replace(/^.*github\.com\/|\.git$/g, '')}@v${version.split('.')[0]}`;

/** What a workflow is written for. */
export interface WorkflowChoices {
  /** The registry of images: `ghcr.io`. */
  readonly registry: string;
  /** Signs with the identity of the workflow, and not with a key in secrets. */
  readonly keyless: boolean;
}

/**
 * A workflow in YAML that builds an image, pushes it by its tags, and signs it by its digest. Signing is a job of its own:
 * nothing that a build runs sees the key, or can ask for an identity.
 */
export function workflowText({ registry, keyless }: WorkflowChoices): string {
  const permission = keyless ? '      id-token: write # the identity that signs\n' : '';
  const key = keyless
    ? ''
    : `          key: \${{ secrets.COSIGN_PRIVATE_KEY }}\n          password: \${{ secrets.COSIGN_PASSWORD }}\n`;
  return `# Written by \`boltseal init github\`: builds the image of this repository, pushes it, and signs it.
name: image

on:
  push:
    branches: [main]
    tags: ['v*']
  workflow_dispatch:

permissions: {}

jobs:
  build:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      packages: write
    outputs:
      tags: \${{ steps.meta.outputs.tags }}
      digest: \${{ steps.build.outputs.digest }}
    steps:
      - uses: actions/checkout@v7
        with:
          persist-credentials: false
      - uses: docker/setup-buildx-action@v4
      - uses: docker/login-action@v4
        with:
          registry: ${registry}
          username: \${{ github.actor }}
          password: \${{ secrets.GITHUB_TOKEN }}
      - id: meta
        uses: docker/metadata-action@v6
        with:
          images: ${registry}/\${{ github.repository }}
      - id: build
        uses: docker/build-push-action@v7
        with:
          push: true
          tags: \${{ steps.meta.outputs.tags }}
          labels: \${{ steps.meta.outputs.labels }}

  sign:
    needs: build
    runs-on: ubuntu-latest
    permissions:
      packages: write # signatures are stored beside the image
${permission}    steps:
      - uses: ${action}
        with:
          tags: \${{ needs.build.outputs.tags }}
          digest: \${{ needs.build.outputs.digest }}
${key}`;
}
