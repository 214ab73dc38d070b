/** GitHub's own parser of workflows. */
import { registerHooks } from 'node:module';

/** What is wrong with a workflow, in the words of GitHub's parser; empty when nothing is. */
export async function workflowProblems(name: string, content: string): Promise<readonly string[]> {
  const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await load();
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (context.errors.getErrors().length === 0 && value !== undefined) {
    await convertWorkflowTemplate(context, value);
  }
  return context.errors.getErrors().map(String);
}

/** The package imports JSON in a way that bundlers understand and Node does not. */
async function load() {
  const hooks = registerHooks({
    load: (url, context, next) =>
      url.includes('/@actions/workflow-parser/') && url.endsWith('.json')
        ? next(url, { ...context, importAttributes: { type: 'json' } })
        : next(url, context),
  });
  try {
    return await import('@actions/workflow-parser');
  } finally {
    hooks.deregister();
  }
}
