// The projects and their classes, asked for when the page starts and again when a task belongs to a newer version.

export class Projects {
  #call;
  #byName = new Map();

  constructor(call) {
    this.#call = call;
  }

  async load() {
    const { projects = [] } = await this.#call("ListProjects", {});
    this.#byName = new Map(projects.map((project) => [project.name, project]));
    return this.all;
  }

  get all() {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name) {
    return this.#byName.get(name) ?? null;
  }
}

export function classesOf(project) {
  return project.taxonomy?.classes ?? [];
}
